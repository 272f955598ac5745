/* Closes what begin_c.h opened. */
}
#undef shmutex
