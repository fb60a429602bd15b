/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <linux/pkt_cls.h>
#include "maps.h"
SEC("tc") int xm_from_pod(struct __sk_buff *skb) { return TC_ACT_UNSPEC; }
SEC("tc") int xm_from_net(struct __sk_buff *skb) { return TC_ACT_UNSPEC; }
SEC("tc") int xm_from_dev(struct __sk_buff *skb) { return TC_ACT_UNSPEC; }
SEC("xdp") int xm_xdp(struct xdp_md *xdp) { return XDP_PASS; }
char LICENSE[] SEC("license") = "GPL";
