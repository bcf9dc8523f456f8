// epoll, which Swift's Glibc module leaves out. Used by the fake provider only.
#ifndef C_EPOLL_H
#define C_EPOLL_H

#include <sys/epoll.h>

#endif
