/* Closes what begin.h opened. */
#ifdef __cplusplus
}
#undef shmutex
#endif
#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
