/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs of xmesh in one object, a file for each hook. Each gathers what it needs step by step
 * and returns a reason; verdict.h alone turns reasons into verdicts. The way of a packet:
 * ARCHITECTURE.md.
 */
#include "from_dev.h"
#include "from_net.h"
#include "from_pod.h"
#include "socket.h"
#include "sockops.h"
#include "to_pod.h"
#include "xdp.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
