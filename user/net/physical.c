/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What sysfs tells of the hardware behind an interface. Not for: what rtnetlink tells (tables.c).
 */
#include "net/physical.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool link_is_physical(const char *sysfs, const char *ifname)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *driver;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/class/net/%s/device/driver", sysfs, ifname);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = '\0';
	driver = strrchr(target, '/');
	driver = driver ? driver + 1 : target;
	return strcmp(driver, "virtio_net") && strcmp(driver, "veth");
}
