#!/bin/sh
# Where a tool is too old or missing, configuring ends with a sentence that says what is needed, and not with CMake's
# own words.
. "$HERE/common.sh"
. "$HERE/old_cmake.sh"

# refuse <name> <sentence> <command>
refuse() {
  name=$1
  sentence=$2
  shift 2
  if "$@" > "$name.log" 2>&1; then
    fail "$name: configured"
  fi
  # CMake breaks the lines of a message.
  tr -s ' \n' ' ' < "$name.log" | grep -qF "$sentence" || fail "$name: $(cat "$name.log")"
  [ "$(grep -c 'CMake Error' "$name.log")" -eq 1 ] || fail "$name: more than one error: $(cat "$name.log")"
}

cmake=$(old_cmake 3.18)
refuse cmake "needs CMake 3.21 or newer to build, and this is 3.18." "$cmake" -S "$SOURCE" -B cmake

# As if project() had found an older compiler.
for compiler in GNU:10.2.1 Clang:13.0.1; do
  echo "set(CMAKE_CXX_COMPILER_ID ${compiler%:*})" > pretend.cmake
  echo "set(CMAKE_CXX_COMPILER_VERSION ${compiler#*:})" >> pretend.cmake
  refuse "$compiler" "needs g++ 11 or clang 14, or newer, to build, and $CXX is ${compiler%:*} ${compiler#*:}." \
    "$CMAKE" -S "$SOURCE" -B "$compiler" -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" \
    -DCMAKE_PROJECT_shmutex_INCLUDE="$scratch/pretend.cmake"
done

# A PATH on which there is nothing but what is linked here.
mkdir bin
with_path() { env -u CC -u CXX -u CMAKE_GENERATOR PATH="$scratch/bin" "$@"; }
ln -s "$(command -v uname)" "$(command -v env)" bin/
refuse make "there is no make on PATH. Install one (Debian, Ubuntu: apt install make)" with_path "$CMAKE" -S "$SOURCE" -B make
printf '#!/bin/sh\n' > bin/make && chmod +x bin/make
refuse c "needs a C compiler to build, and none is on PATH (cc, gcc, icx, clang). Install one (Debian, Ubuntu: apt install gcc)" \
  with_path "$CMAKE" -S "$SOURCE" -B c
refuse named "needs a C compiler to build, and none is on PATH (x86_64-linux-gnu-gcc)." \
  with_path env CC="x86_64-linux-gnu-gcc -O2" "$CMAKE" -S "$SOURCE" -B named
ln -s "$CC" bin/cc
refuse cxx "needs a C++ compiler to build, and none is on PATH (c++, CC, g++, icpx, icx, clang++)." \
  with_path "$CMAKE" -S "$SOURCE" -B cxx
grep -q 'apt install g++' cxx.log || fail "no advice: $(cat cxx.log)"
