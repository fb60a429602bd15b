/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * XM_MAX_SERVICES, _FRONTENDS, _BACKENDS: at the limit fine, one more is an error that names it and
 * leaves everything as it was.
 */
#include "unit/model/services_scene.h"

#include <errno.h>
#include <netinet/in.h>

#define SLICE_MAX SNAPSHOT_MAX_ENDPOINTS

static struct vip_object *vips_of(uint32_t first, size_t n)
{
	struct vip_object *vips = calloc(n, sizeof(*vips));

	for (size_t i = 0; i < n; i++)
		vips[i] = (struct vip_object){ xm_addr_v4(htonl(0x0b000000 + first + i)), XM_VIP_CLUSTER_IP };
	return vips;
}

static struct port_object *ports_of(size_t n)
{
	struct port_object *ports = calloc(n, sizeof(*ports));
	char name[32];

	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "p%zu", i);
		ports[i] = (struct port_object){ .name = xm_port_name_hash(name), .port = i + 1,
						.proto = IPPROTO_TCP };
	}
	return ports;
}

/* @n_services global ones of @vips x @ports, and one of @more VIPs and one port. */
static struct snapshot *many(size_t n_services, size_t vips, size_t ports, size_t more, size_t endpoints)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	s->n_services = n_services + !!more;
	s->services = calloc(s->n_services, sizeof(*s->services));
	for (size_t i = 0; i < s->n_services; i++) {
		struct service_object *o = &s->services[i];

		strcpy(o->space, "a");
		snprintf(o->name, sizeof(o->name), "s%06zu", i);
		o->has_service = o->global = o->shared = true;
		o->n_vips = i < n_services ? vips : more;
		o->vips = vips_of(i * vips, o->n_vips);
		o->n_ports = i < n_services ? ports : 1;
		o->ports = ports_of(o->n_ports);
	}
	s->n_slices = (endpoints + SLICE_MAX - 1) / SLICE_MAX;
	s->slices = calloc(s->n_slices + 1, sizeof(*s->slices));
	for (size_t i = 0; i < s->n_slices; i++) {
		struct slice_object *slice = &s->slices[i];

		strcpy(slice->space, "a");
		strcpy(slice->service, "s000000");
		slice->ports = ports_of(1);
		slice->n_ports = 1;
		slice->n_endpoints = MIN(endpoints - i * SLICE_MAX, (size_t)SLICE_MAX);
		slice->endpoints = calloc(slice->n_endpoints, sizeof(*slice->endpoints));
		for (size_t k = 0; k < slice->n_endpoints; k++)
			slice->endpoints[k] = (struct endpoint_object){
				.addr = xm_addr_v4(htonl(0x0a000000 + i * SLICE_MAX + k)),
				.ready = true, .serving = true };
	}
	snapshot_finish(s);
	return s;
}

/* @fits is taken; @beyond is not, by a sentence with @limit, and what was there stays. */
static void check(struct snapshot *fits, struct snapshot *beyond, const char *limit)
{
	struct scene scene = { .snapshots = { fits, NULL, NULL } };
	struct err err = { .text = "" };
	struct services *s;
	uint64_t version;
	size_t n, after;

	scene_wire(&scene);
	s = fresh(&scene);
	version = services_list(s, &n)[0]->version;
	scene.snapshots[0] = beyond;
	scene_wire(&scene);
	assert_int_equal(services_update(s, &scene.input, &err), -ENOSPC);
	if (!strstr(err.text, limit))
		fail_msg("says \"%s\"", err.text);
	assert_true(services_list(s, &after)[0]->version == version);
	assert_int_equal(after, n);
	/* And back: nothing has changed. */
	scene.snapshots[0] = fits;
	scene_wire(&scene);
	assert_int_equal(services_update(s, &scene.input, &err), 0);
	assert_true(services_list(s, &after)[0]->version == version);
	assert_int_equal(after, n);
	services_free(s);
	snapshot_free(fits);
	snapshot_free(beyond);
}

static void test_services(void **state)
{
	check(many(XM_MAX_SERVICES, 1, 1, 0, 0), many(XM_MAX_SERVICES + 1, 1, 1, 0, 0), "XM_MAX_SERVICES");
}

static void test_frontends(void **state)
{
	const size_t n = XM_MAX_FRONTENDS / SNAPSHOT_MAX_VIPS / SNAPSHOT_MAX_PORTS;

	check(many(n, SNAPSHOT_MAX_VIPS, SNAPSHOT_MAX_PORTS, 0, 0),
	      many(n, SNAPSHOT_MAX_VIPS, SNAPSHOT_MAX_PORTS, 1, 0), "XM_MAX_FRONTENDS");
}

static void test_backends(void **state)
{
	check(many(1, 1, 1, 0, XM_MAX_BACKENDS), many(1, 1, 1, 0, XM_MAX_BACKENDS + 1), "XM_MAX_BACKENDS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_frontends),
		cmocka_unit_test(test_backends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
