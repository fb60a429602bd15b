/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether an interface is a card of this machine, where XDP in the driver gains something. */
#ifndef XMESH_NET_PHYSICAL_H
#define XMESH_NET_PHYSICAL_H

#include <stdbool.h>

/*
 * True when @ifname has a device behind it whose driver is not virtio_net: there (and on veth, which
 * has no device at all) native XDP costs more than it gives. @sysfs: "/sys", or a test's folder.
 */
bool link_is_physical(const char *sysfs, const char *ifname);

#endif
