/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is said of a service and its backend, for what a dry run may have found. Dry runs: tests/e2e/explain.sh. */
#include "maps.h"

#include "cli/explain.h"

#define SAID 4

enum found { NOBODY, NO_BACKEND, CHOSEN, BY_FLOW, BY_AFFINITY, UNASKED };

struct row {
	const char *name;
	const char *dst;
	uint16_t dport;
	enum found found;
	const char *step;
	const char *says[SAID];
};

static const struct row rows[] = {
	{ "an address that is no VIP", "11.0.0.2", 80, NOBODY, "service",
	  { "11.0.0.2:80 is no frontend of a global service" } },
	{ "a VIP at another port", "11.0.0.1", 81, NOBODY, "service",
	  { "11.0.0.1:81/tcp is no frontend for this sender, though shop/web has 11.0.0.1:80/tcp" } },
	{ "no backend is usable: what is in the way of each", "11.0.0.1", 80, NO_BACKEND, "service",
	  { "no backend of shop/web can be used: refused at once (0 draining, 0 down)",
	    "of west is standby: a cluster that is preferred has usable backends" } },
	{ "Maglev's choice, with its arithmetic", "11.0.0.1", 80, CHOSEN, "service",
	  { "11.0.0.1:80/tcp is a frontend of shop/web", "a packet gets backend 10.1.1.2:8080 of east, on node east-1",
	    "its cluster east has", "1 targets share the slots, as told by prefer local,*" } },
	{ "a socket's is random", "11.0.0.1", 80, CHOSEN, "socket",
	  { "a socket gets backend 10.1.1.2:8080", "the hash is random each time", "100.0 % of new connections" } },
	{ "a flow that was there before", "11.0.0.1", 80, BY_FLOW, "service", { "because its flow was placed there before" } },
	{ "ClientIP affinity", "11.0.0.1", 80, BY_AFFINITY, "service", { "this client was there less than 60 s ago" } },
	{ "a backend that no slice was asked for", "11.0.0.1", 80, UNASKED, "service", { "a packet gets backend 10.1.1.2:8080" } },
};

static bool is_said(const struct explain_story *story, const char *part)
{
	for (size_t i = 0; i < story->n_steps; i++)
		if (strstr(story->steps[i].text, part))
			return true;
	return false;
}

static struct xm_trace found(const struct service_tables *tables, enum found what)
{
	const struct service_entry *s = &tables->services[0];
	const uint64_t where = s->frontends[0].service.where;
	struct xm_trace t = { .service = what == NOBODY ? 0 : s->number };

	if (what == NOBODY || what == NO_BACKEND)
		return t;
	t.backend = s->backends[0].number;
	t.from_flow = what == BY_FLOW ? XM_TRACE_FLOW : what == BY_AFFINITY ? XM_TRACE_AFFINITY : 0;
	if (what == CHOSEN) {
		t.slice_slot = where >> 32;
		t.slice_size = (uint32_t)where;
	}
	return t;
}

static void check(void **state)
{
	const struct row *row = *state;
	struct explain_ask ask = { .src = addr_of("10.1.1.3"), .dst = addr_of(row->dst), .dport = row->dport,
				   .proto = IPPROTO_TCP };
	struct explain_case c = { .ask = &ask };
	struct explain_story story = { 0 };
	struct dryrun_result result = { 0 };
	struct service_tables *tables;
	struct explain_shares shares;
	struct maps m;

	host_need_root();
	maps_open(&m);
	maps_service(&m);
	assert_done(balance_read(&m.plane, &tables, &err));
	c.view = &m.view;
	c.tables = tables;
	result.trace = found(tables, row->found);
	assert_int_equal(explain_service(&c, &result, row->step, &story), 0);
	for (size_t i = 0; i < SAID && row->says[i]; i++)
		if (!is_said(&story, row->says[i]))
			fail_msg("\"%s\" is not said; the last is \"%s\"", row->says[i],
				 story.n_steps ? story.steps[story.n_steps - 1].text : "");
	for (size_t i = 0; i < story.n_steps; i++)
		assert_string_equal(story.steps[i].step, row->step);
	if (row->found == CHOSEN) {
		assert_int_equal(explain_shares(&c, &result.trace, &shares), 0);
		assert_true(shares.slots && shares.backend == shares.slots && shares.cluster == shares.slots);
	} else {
		assert_int_equal(explain_shares(&c, &result.trace, &shares), -ENOENT);
	}
	explain_story_done(&story);
	service_tables_free(tables);
	maps_close(&m);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){ rows[i].name, check, NULL, NULL, (void *)&rows[i] };
	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
