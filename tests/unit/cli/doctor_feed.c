/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Endpoints taken apart as doctor asks for them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/doctor.h"
#include "core/defs.h"

static const struct row { const char *name, *url, *host, *port; } rows[] = {
	{ "a host and a port", "https://etcd.example:2379", "etcd.example", "2379" },
	{ "https has its port", "https://etcd.example", "etcd.example", "443" },
	{ "http has its port", "http://192.0.2.1", "192.0.2.1", "80" },
	{ "IPv6 stands in brackets", "https://[2001:db8::1]:2379", "2001:db8::1", "2379" },
	{ "IPv6 without a port", "https://[2001:db8::1]", "2001:db8::1", "443" },
	{ "a path is no part of the port", "https://k8s.example:6443/base", "k8s.example", "6443" },
	{ "no scheme", "etcd.example:2379", NULL, NULL },
	{ "no host", "https://:2379", NULL, NULL },
	{ "an open bracket", "https://[2001:db8::1", NULL, NULL },
	{ "an empty port", "https://etcd.example:", NULL, NULL },
	{ "a port of six digits", "https://etcd.example:123456", NULL, NULL },
};

static void url(void **state)
{
	const struct row *r = *state;
	char host[256] = "", port[6] = "";

	if (!r->host) {
		assert_int_equal(doctor_url(r->url, host, port), -EINVAL);
		return;
	}
	assert_int_equal(doctor_url(r->url, host, port), 0);
	assert_string_equal(host, r->host);
	assert_string_equal(port, r->port);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){ rows[i].name, url, NULL, NULL, (void *)&rows[i] };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
