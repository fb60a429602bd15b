/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What prog_bench tells the re-arming wrapper: the packet as it was, and how flows differ. */
#ifndef XMESH_TESTS_BENCH_WRAPPER_H
#define XMESH_TESTS_BENCH_WRAPPER_H

#include <linux/types.h>

#define WRAPPER_RESTORE 128 /* bytes; the programs write no further */
#define WRAPPER_RESTORE_SHORT 64 /* of packets that grow at their front */
#define WRAPPER_VARY 2
#define WRAPPER_BAD 99      /* verdict when the packet is not as long as it was */

struct wrapper_setup {
	__u8 packet[WRAPPER_RESTORE];
	__u32 len;
	__u32 n;                     /* runs so far */
	__u32 first;                 /* flow of the first run */
	__u32 flow_mask;             /* number of flows less one */
	__u32 bad;                   /* runs that found another length */
	__u16 port_at;               /* source port: the flow's number */
	__u16 vary_at[WRAPPER_VARY]; /* one byte each: the flow's number modulo 256; 0 = none */
	__u16 high_at;               /* one byte: the flow's number / 65536; 0 = none */
	__u16 is_short;              /* put back WRAPPER_RESTORE_SHORT bytes only */
	__u16 new_hash;              /* forget the skb's flow hash before each run */
	__u32 key_src;               /* IPv4 source of the tunnel, 0 = none */
	__u32 key_id;
};

#endif
