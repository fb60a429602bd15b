/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * XDP that does nothing, for the other end of a veth: what a program sends out again there (XDP_TX)
 * is taken off its ring only where one is attached (veth_xdp_flush, 6.18). Physical NICs need none.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *xdp)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
