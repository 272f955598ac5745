// The futex system calls (futex(2)); process-shared all of them. Every function returns 0 or more, or -errno.
#pragma once

#include <cstdint>

namespace shmutex::futex {

// Sleeps while *word == expected, until CLOCK_MONOTONIC is deadline_ns, which is always finite: an untimed wait would
// be restarted unseen after a signal handler installed with SA_RESTART. 0: woken, maybe spuriously. -EAGAIN: *word
// differs. -EINTR: a signal handler ran. -ETIMEDOUT: and no wake was consumed.
long wait(uint32_t& word, uint32_t expected, int64_t deadline_ns);

// Wakes up to one sleeper.
long wake_one(uint32_t& word);

// How many threads sleep on it in wait().
long sleepers(uint32_t& word);

// In one system call, so that no kill falls between: *word = owner_died if keep_died, else 0; and wakes up to one
// sleeper. The word must not be 0 before.
long release_and_wake_one(uint32_t& word, bool keep_died);

// Priority-inheritance futexes: the kernel's own queue on the word. deadline_ns: CLOCK_MONOTONIC, INT64_MAX = never.
long lock_pi(uint32_t& word, int64_t deadline_ns);
long trylock_pi(uint32_t& word);
long unlock_pi(uint32_t& word);

}  // namespace shmutex::futex
