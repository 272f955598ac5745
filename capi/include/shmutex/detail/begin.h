/* Opens the declarations of each public header; end.h closes them. Kept out of those so that they, comments and
 * preprocessor lines removed, are plain C for FFI parsers. In C++ a struct cannot share its name with the namespace of
 * shmutex.hpp, so there the tag has another name. */
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif
#ifdef __cplusplus
#define shmutex shmutex_opaque
extern "C" {
#endif
