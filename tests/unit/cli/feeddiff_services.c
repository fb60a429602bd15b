/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a proposed feed would change in services, as a person reads it. */
#include "../core/rows.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "cli/feeddiff.h"
#include "core/addr.h"

/* A service with a VIP 11.0.0.@vip and backends 10.0.0.x, one for each byte of @states. */
struct side { int vip; const char *states; };

struct made {
	struct service service;
	struct service_backend backends[32];
	struct service_pool pools[2];
	struct service_frontend frontend;
};

static const struct row {
	const char *name;
	struct side before, after; /* states NULL = no such service */
	const char *was, *becomes; /* NULL = not there; both "" = no change */
} table[] = {
	{ "the same is no change", { 1, "aa" }, { 1, "aa" }, "", "" },
	{ "a new one", { 0 }, { 1, "ad" }, NULL,
	  "1 VIPs, 2 backends, 1 active: 10.0.0.1:80/tcp active, 10.0.0.2:80/tcp draining, VIP 11.0.0.1:80/tcp" },
	{ "one that goes", { 1, "a" }, { 0 },
	  "1 VIPs, 1 backends, 1 active: 10.0.0.1:80/tcp active, VIP 11.0.0.1:80/tcp", NULL },
	{ "one more backend", { 1, "a" }, { 1, "aa" }, "1 VIPs, 1 backends, 1 active",
	  "1 VIPs, 2 backends, 2 active: 10.0.0.2:80/tcp active" },
	{ "another state", { 1, "aa" }, { 1, "ad" },
	  "1 VIPs, 2 backends, 2 active: 10.0.0.2:80/tcp active",
	  "1 VIPs, 2 backends, 1 active: 10.0.0.2:80/tcp draining" },
	{ "another address", { 1, "a" }, { 2, "a" }, "1 VIPs, 1 backends, 1 active: VIP 11.0.0.1:80/tcp",
	  "1 VIPs, 1 backends, 1 active: VIP 11.0.0.2:80/tcp" },
	{ "many are counted, eight are named", { 1, "" }, { 1, "aaaaaaaaaaa" }, "1 VIPs, 0 backends, 0 active",
	  "1 VIPs, 11 backends, 11 active: 10.0.0.10:80/tcp active, 10.0.0.11:80/tcp active, "
	  "10.0.0.1:80/tcp active, 10.0.0.2:80/tcp active, 10.0.0.3:80/tcp active, 10.0.0.4:80/tcp active, "
	  "10.0.0.5:80/tcp active, 10.0.0.6:80/tcp active and 3 more" },
};

static void make(const struct side *side, struct made *m)
{
	size_t n = side->states ? strlen(side->states) : 0;

	memset(m, 0, sizeof(*m));
	strcpy(m->service.space, "shop");
	strcpy(m->service.name, "web");
	m->service.backends = m->backends;
	m->service.n_backends = n + 1;
	for (size_t i = 0; i < n; i++)
		m->backends[i] = (struct service_backend){
			.addr = xm_addr_v4(htonl(0x0a000001 + i)), .port = 80, .proto = IPPROTO_TCP,
			.state = side->states[i] == 'a' ? XM_BACKEND_ACTIVE : XM_BACKEND_DRAINING };
	/* Nodes are no backends of it. */
	m->backends[n] = (struct service_backend){ .flags = XM_BACKEND_IS_NODE, .state = XM_BACKEND_ACTIVE };
	/* The same address twice, as external ones are. */
	m->service.pools = m->pools;
	m->service.n_pools = 2;
	m->pools[0] = (struct service_pool){ .frontends = &m->frontend, .n_frontends = 1 };
	m->pools[1] = m->pools[0];
	m->frontend.key = (struct xm_service_key){ .addr = xm_addr_v4(htonl(0x0b000000 + side->vip)),
						   .port = htons(80), .proto = IPPROTO_TCP };
}

static void same(const char *got, const char *want)
{
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void check(void **state)
{
	const struct row *row = *state;
	struct made before, after;
	const struct service *was[] = { &before.service }, *becomes[] = { &after.service };
	struct feed_change *changes;
	size_t n;

	make(&row->before, &before);
	make(&row->after, &after);
	assert_int_equal(feeddiff_services(was, row->before.states != NULL, becomes, row->after.states != NULL,
					   &changes, &n), 0);
	if (row->was && !*row->was) {
		assert_int_equal(n, 0);
	} else {
		assert_int_equal(n, 1);
		assert_string_equal(changes[0].kind, "service");
		assert_string_equal(changes[0].name, "shop/web");
		same(changes[0].was, row->was);
		same(changes[0].becomes, row->becomes);
	}
	feeddiff_free(changes, n);
}

static void lists_are_walked_by_name(void **state)
{
	struct service a = { .space = "a", .name = "x" }, b = { .space = "a", .name = "y" },
		       c = { .space = "b", .name = "x" };
	const struct service *was[] = { &a, &c }, *becomes[] = { &b, &c };
	struct feed_change *changes;
	size_t n;

	assert_int_equal(feeddiff_services(was, 2, becomes, 2, &changes, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(changes[0].name, "a/x");
	assert_null(changes[0].becomes);
	assert_string_equal(changes[1].name, "a/y");
	assert_null(changes[1].was);
	feeddiff_free(changes, n);
}

int main(void)
{
	struct rows rows = { 0 };

	ROWS_ADD_TABLE(&rows, check, table);
	ROWS_ADD_TEST(&rows, lists_are_walked_by_name);
	return rows_run("feeddiff_services", &rows);
}
