// Other TID scopes, made of Linux namespaces. For forked children: none of these can be undone.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace support {

// Whether this process may make mount and PID namespaces at all (as root on an ordinary machine, yes).
bool may_make_namespaces();
#define SKIP_WITHOUT_NAMESPACES() \
  if (!::support::may_make_namespaces()) GTEST_SKIP() << "needs CAP_SYS_ADMIN"

// From here on, mounts of this process are its own. False: the kernel refused.
bool enter_mount_namespace();
bool mount_new(const char* type, const std::string& where, const char* options = "");
bool mount_over(const std::string& what, const std::string& where);

// Mounts another boot id over this one's; `directory` is for the file that holds it.
bool fake_boot_id(const std::string& directory);

// From here on, children of this process are born into a new PID namespace.
bool enter_pid_namespace_with_children();

// Forks and waits: body() in a child. For where support::Child does not do: its parent is in another PID namespace.
pid_t fork_running(const std::function<int()>& body);
int wait_for(pid_t pid);  // exit status, or 1000 + signal

}  // namespace support
