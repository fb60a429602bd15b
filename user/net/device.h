/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * xmesh0: the kernel's VXLAN device in external (collect_md) mode, and the sysctls that go with it.
 */
#ifndef XMESH_NET_DEVICE_H
#define XMESH_NET_DEVICE_H

#include "core/err.h"
#include "net/nl.h"
#include "xmesh/maps.h"

struct device_config {
	const char *name;
	uint16_t port;
	__u8 mac[6];
	uint32_t mtu;
	/*
	 * Called with the device there but down, before it comes up and takes packets from anybody:
	 * puts the program on it that judges them. An error ends device_ensure(). NULL = none.
	 */
	int (*guard)(void *user, uint32_t ifindex, struct err *err);
	void *user;
	const char *instance;  /* in IFLA_IFALIAS "xmesh INSTANCE", by which we know it as ours */
};

/*
 * Create it or bring it to @config, up, no learning, udp6 zero checksums both ways, gso allowed,
 * rp_filter loose (2), IPv6 forwarding/accept_ra off as needed, one IPv4 address of scope host
 * (without one, loose rp_filter drops what comes in). A device of that name that is not ours (kind,
 * alias) is refused (-EEXIST); a port held by another VXLAN device or UDP socket too (-EADDRINUSE),
 * naming the device. A changed port makes a new device (delete + create). *ret_ifindex is its
 * index.
 */
int device_ensure(struct nl *nl, const struct device_config *config, uint32_t *ret_ifindex,
		  struct err *err);
/* 0 also when it is not there; -EEXIST: not ours. */
int device_remove(struct nl *nl, const char *name, const char *instance, struct err *err);

/*
 * Sentences about sysctls that would break the slow path: ip_forward off, rp_filter strict on
 * @names. malloc'ed, may be 0.
 */
int device_check_sysctls(const char *const *names, size_t n_names, char ***ret_notes,
			 size_t *ret_n);

#endif
