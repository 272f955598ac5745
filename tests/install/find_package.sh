#!/bin/sh
# find_package(shmutex 1 CONFIG), from a project of C only and from one of C++ only, with either library.
. "$HERE/common.sh"
for language in C CXX; do
  case $language in C) compiler=-DCMAKE_C_COMPILER=$CC ;; CXX) compiler=-DCMAKE_CXX_COMPILER=$CXX ;; esac
  "$CMAKE" -S "$HERE/consumer" -B $language "$compiler" -DCONSUMER_LANGUAGE=$language -DCMAKE_PREFIX_PATH="$PREFIX"
  "$CMAKE" --build $language
  for kind in shmutex static; do
    $language/with_$kind "$scratch/lock" | grep -qx "shmutex $VERSION" || fail "$language with $kind"
  done
  readelf -d $language/with_static | grep -q libshmutex && fail "the static library brings the shared one"
  readelf -d $language/with_shmutex | grep -q 'libshmutex\.so\.1\]' || fail "not linked against libshmutex.so.1"
done

# Another major version is not this one.
mkdir wrong && printf 'cmake_minimum_required(VERSION 3.21)\nproject(x LANGUAGES C)\nfind_package(shmutex 2 CONFIG REQUIRED)\n' \
  > wrong/CMakeLists.txt
"$CMAKE" -S wrong -B wrong/build -DCMAKE_C_COMPILER="$CC" -DCMAKE_PREFIX_PATH="$PREFIX" > wrong/log 2>&1 &&
  fail "version 2 was found"
grep -q "version: $VERSION" wrong/log || fail "version 2 was refused for another reason: $(cat wrong/log)"
