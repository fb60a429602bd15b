/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which interfaces are cards, by a folder that looks like sysfs. */
#include "net/physical.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/defs.h"

static char root[64];

struct row {
	const char *name;
	const char *driver; /* what the link leads to; NULL: a device without a driver */
	bool no_device;
	bool physical;
};

static const struct row rows[] = {
	{ "a card whose driver is another's is physical",
	  .driver = "../../../bus/pci/drivers/mlx5_core", .physical = true },
	{ "a link without a folder too", .driver = "ixgbe", .physical = true },
	{ "virtio_net is none", .driver = "../../../bus/virtio/drivers/virtio_net" },
	{ "virtio_net without a folder is none", .driver = "virtio_net" },
	{ "a driver whose name begins like that is", .driver = "../drivers/virtio_net2",
	  .physical = true },
	{ "veth with a device is none", .driver = "../drivers/veth" },
	{ "a device without a driver is none", .driver = NULL },
	{ "what has no device, such as a bridge, is none", .driver = NULL, .no_device = true },
};

static void sh(const char *format, const char *arg)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd), format, root, arg);
	assert_int_equal(system(cmd), 0);
}

static void test_row(void **state)
{
	const struct row *row = *state;

	sh("rm -rf %s%s", "/class");
	sh("mkdir -p %s/class/net/eth0%s", row->no_device ? "" : "/device");
	if (row->driver)
		sh("ln -s %2$s %1$s/class/net/eth0/device/driver", row->driver);
	assert_int_equal(link_is_physical(root, "eth0"), row->physical);
	assert_false(link_is_physical(root, "eth1"));
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];
	int failed;

	snprintf(root, sizeof(root), "/tmp/xmesh-physical-%d", (int)getpid());
	sh("mkdir %s%s", "");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){ rows[i].name, test_row, NULL, NULL,
						(void *)&rows[i] };
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	sh("rm -rf %s%s", "");
	return failed;
}
