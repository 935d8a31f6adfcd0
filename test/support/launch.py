"""launch.py PARENT_PID UID GID COMMAND...: becomes COMMAND, as the user UID and group GID ("-" keeps them).

On Linux the kernel ends it when the parent dies, however the parent dies: no server outlives the test run that started it.
"""
import ctypes
import os
import signal
import sys

parent, uid, gid, command = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
libc = ctypes.CDLL(None) if sys.platform == "linux" else None
if uid != "-":
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
if libc is not None:
    PR_SET_PDEATHSIG = 1
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after setuid, which clears it; exec keeps it
    if os.getppid() != parent:
        sys.exit("the parent is gone")
os.execvp(command[0], command)
