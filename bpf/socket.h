/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets of pods (and of the host): a global service is chosen once, when a socket is connected or
 * sends a datagram, and costs nothing per packet afterwards.
 */
#ifndef BPF_SOCKET_H
#define BPF_SOCKET_H

#include "service.h"
#include "verdict.h"

SEC("cgroup/connect4")
int xm_connect4(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("cgroup/connect6")
int xm_connect6(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("cgroup/sendmsg4")
int xm_sendmsg4(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("cgroup/sendmsg6")
int xm_sendmsg6(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("cgroup/recvmsg4")
int xm_recvmsg4(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("cgroup/recvmsg6")
int xm_recvmsg6(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("cgroup/getpeername4")
int xm_getpeer4(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("cgroup/getpeername6")
int xm_getpeer6(struct bpf_sock_addr *ctx)
{
	return 1;
}

#endif
