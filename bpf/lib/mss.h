/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP MSS (RFC 9293, 3.7.1) lowered to the path's MTU on SYN and SYN-ACK, in both directions. */
#ifndef BPF_LIB_MSS_H
#define BPF_LIB_MSS_H

#include <stddef.h>

#include "parse.h"

#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2
#define MSS_L4_MAX 256 /* further than any header chain that is read here */
#define MSS_OPTIONS_MAX 40 /* bytes, by the 4-bit data offset */

/*
 * Lower the MSS of the segment whose TCP header is at @l4 so that its segments fit into @mtu. True
 * when it was lowered. With CHECKSUM_PARTIAL the field holds the sum of the pseudo header alone and
 * must stay; that is not visible here, so bpf_l4_csum_replace decides. Pointers into the packet are
 * void afterwards. Out of line, for only handshakes come here, and global, so that the verifier
 * walks its loop once a program and not once a path.
 */
__noinline int mss_clamp(struct __sk_buff *skb, __u32 l4, __u32 ip_header, __u32 mtu)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	__u32 end, limit, i, skip = 0;
	struct tcphdr *tcp;

	/* A broken setting must not wrap the limit; the verifier wants the offset bounded. */
	if (l4 > MSS_L4_MAX)
		return 0;
	tcp = data + l4;
	if ((void *)(tcp + 1) > data_end || !tcp->syn || mtu < ip_header + 2 * sizeof(*tcp))
		return 0;
	end = tcp->doff * 4;
	limit = mtu - ip_header - sizeof(*tcp);
	/*
	 * Byte by byte, skipping what an option covers: an offset that jumps by lengths out of the
	 * packet has too many values for the verifier.
	 */
	for (i = 0; i <= MSS_OPTIONS_MAX - 4; i++) {
		__u8 *opt = (__u8 *)(tcp + 1) + i;
		__u32 where = l4 + sizeof(*tcp) + i + 2, mss;
		__be16 from, to = bpf_htons(limit);

		if (sizeof(*tcp) + i + 4 > end || (void *)(opt + 4) > data_end)
			return 0;
		if (skip) {
			skip--;
			continue;
		}
		if (opt[0] == TCP_OPTION_END)
			return 0;
		if (opt[0] == TCP_OPTION_NOP)
			continue;
		if (opt[0] != TCP_OPTION_MSS || opt[1] != 4) {
			if (opt[1] < 2)
				return 0;
			skip = opt[1] - 1;
			continue;
		}
		mss = opt[2] << 8 | opt[3];
		if (mss <= limit)
			return 0;
		from = bpf_htons(mss);
		bpf_skb_store_bytes(skb, where, &to, sizeof(to), 0);
		/* At an odd offset the value lies across two words of the sum. */
		if (where & 1) {
			from = from << 8 | from >> 8;
			to = to << 8 | to >> 8;
		}
		bpf_l4_csum_replace(skb, l4 + offsetof(struct tcphdr, check), from, to, sizeof(to));
		return 1;
	}
	return 0;
}

#endif
