#!/bin/sh
# Where the library cannot run, configuring fails with a sentence that says why.
. "$HERE/common.sh"

# refuse <name> <sentence> <cmake arguments>
refuse() {
  name=$1
  sentence=$2
  shift 2
  if "$CMAKE" -S "$SOURCE" -B "$name" -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" "$@" \
    > "$name.log" 2>&1; then
    fail "$name: configured"
  fi
  # CMake breaks the lines of a message.
  tr -s ' \n' ' ' < "$name.log" | grep -qF "$sentence" || fail "$name: $(cat "$name.log")"
}

# As if project() had found this out about the machine.
pretend() {
  echo "set($1 $2)" > "$1.cmake"
  echo "-DCMAKE_PROJECT_shmutex_INCLUDE=$scratch/$1.cmake"
}

refuse freebsd "needs Linux: its crash safety is the kernel's robust futexes (this is FreeBSD)." \
  "$(pretend CMAKE_SYSTEM_NAME FreeBSD)"
refuse riscv "runs on x86-64 and aarch64; its memory orders have been argued for no other (this is riscv64)." \
  "$(pretend CMAKE_SYSTEM_PROCESSOR riscv64)"
refuse bigendian "needs a little-endian target" "$(pretend CMAKE_C_BYTE_ORDER BIG_ENDIAN)"

if [ "$(uname -m)" = x86_64 ]; then
  refuse i386 "needs a 64-bit target" -DCMAKE_C_FLAGS=-m32 -DCMAKE_CXX_FLAGS=-m32 \
    -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY
fi

# musl has a <features.h>, which does not define __GLIBC__; and an old glibc has no <sys/single_threaded.h>.
mkdir -p musl oldglibc/sys
echo '#define _FEATURES_H 1' > musl/features.h
echo '#error no such file' > oldglibc/sys/single_threaded.h
refuse with_musl "needs glibc: it joins the thread's robust list, which other C libraries (musl among them)" \
  -DCMAKE_C_FLAGS="-I$scratch/musl"
refuse with_old_glibc "needs glibc 2.32 or newer." -DCMAKE_C_FLAGS="-I$scratch/oldglibc"

# And this machine is one on which it runs.
"$CMAKE" -S "$SOURCE" -B here -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" > here.log 2>&1 ||
  fail "$(cat here.log)"
