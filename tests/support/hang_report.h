// What the watchdogs print of a test that hangs: every process, every thread, every lock.
#pragma once

#include <sys/types.h>

#include <string>

namespace support {

// State, wait channel and system call of one thread, from /proc.
std::string describe_thread(pid_t tid);

// This process and all that descend from it, thread by thread; and each lock in memory that any of them shares.
std::string hang_report();

}  // namespace support
