/* C++ only. Kept out of shmutex.h so that, comments and preprocessor lines removed, that file is plain C for FFI parsers.
 * In C++ a struct cannot share its name with the namespace of shmutex.hpp, so there the tag has another name. */
#define shmutex shmutex_opaque
extern "C" {
