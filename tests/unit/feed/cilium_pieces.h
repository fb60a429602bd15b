/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Values of Cilium's mesh store through the decoder into a line of text. Needs cmocka.h and so on before it. */
#ifndef TESTS_FEED_CILIUM_PIECES_H
#define TESTS_FEED_CILIUM_PIECES_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "feed/cilium_decode.h"

#define TEXT_MAX 4096

static inline void ports_text(const struct port_object *ports, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++) {
		sprintf(out + strlen(out), " %s:%u/%u", ports[i].text ? ports[i].text : "", ports[i].port,
			ports[i].proto);
		assert_int_equal(ports[i].name, xm_port_name_hash(ports[i].text ? ports[i].text : ""));
	}
}

static inline void piece_text(const struct piece *p, char *out)
{
	char buf[PREFIX_TEXT_MAX];

	switch ((enum piece_kind)p->kind) {
	case PIECE_NODE:
		sprintf(out + strlen(out), "node %s", p->node.name);
		if (!xm_addr_is_zero(&p->node.addr4))
			sprintf(out + strlen(out), " %s", addr_format(&p->node.addr4, buf));
		if (!xm_addr_is_zero(&p->node.addr6))
			sprintf(out + strlen(out), " %s", addr_format(&p->node.addr6, buf));
		for (size_t i = 0; i < p->node.n_cidrs; i++)
			sprintf(out + strlen(out), " %s", prefix_format(&p->node.cidrs[i], buf));
		if (p->node.identity_bits)
			sprintf(out + strlen(out), " bits=%u", p->node.identity_bits);
		if (*p->node.zone)
			sprintf(out + strlen(out), " zone=%s", p->node.zone);
		break;
	case PIECE_SERVICE:
		sprintf(out + strlen(out), "service %s/%s", p->service.space, p->service.name);
		assert_true(p->service.has_service);
		if (p->service.global)
			strcat(out, " global");
		if (!p->service.shared)
			strcat(out, " unshared");
		if (p->service.headless)
			strcat(out, " headless");
		if (p->service.affinity_s)
			sprintf(out + strlen(out), " affinity=%u", p->service.affinity_s);
		for (size_t i = 0; i < p->service.n_vips; i++)
			sprintf(out + strlen(out), " %s", addr_format(&p->service.vips[i].addr, buf));
		ports_text(p->service.ports, p->service.n_ports, out);
		break;
	case PIECE_SLICE:
		sprintf(out + strlen(out), "slice %s/%s %u", p->slice.space, p->slice.service, p->family);
		ports_text(p->slice.ports, p->slice.n_ports, out);
		for (size_t i = 0; i < p->slice.n_endpoints; i++) {
			const struct endpoint_object *e = &p->slice.endpoints[i];

			sprintf(out + strlen(out), " %s%s%s%s", addr_format(&e->addr, buf), e->ready ? "" : "!ready",
				e->serving ? "" : "!serving", e->terminating ? "!terminating" : "");
			if (e->node)
				sprintf(out + strlen(out), "@%s", e->node);
		}
		break;
	case PIECE_EXPORT:
		sprintf(out + strlen(out), "export %s/%s", p->service.space, p->service.name);
		break;
	case PIECE_IMPORT:
	case PIECE_NOTHING:
	case PIECE_KINDS:
		fail_msg("a piece of kind %u", p->kind);
	}
	if (p->warning)
		sprintf(out + strlen(out), " (%s)", p->warning);
	if (p->next) {
		strcat(out, "; ");
		piece_text(p->next, out);
	}
}

static const struct cilium_reader cluster3 = {
	.cluster = "cluster3",
	.peer = { .id = 3, .identity_bits = 16, .canaries = true, .services = true, .exports = true, .slices = true },
};

/* What the value under @key becomes, or the sentence that refuses it. */
static inline int decoded(const struct cilium_reader *reader, const char *key, const void *value, size_t len,
			  char out[TEXT_MAX])
{
	struct piece *pieces = NULL;
	struct err err = { .text = "" };
	int rc = cilium_decode((void *)reader, key, value, len, &pieces, &err);

	*out = '\0';
	if (rc) {
		assert_null(pieces);
		assert_true(strlen(err.text) > 0);
		snprintf(out, TEXT_MAX, "%s", err.text);
	} else if (pieces) {
		piece_text(pieces, out);
	}
	piece_free(pieces);
	return rc;
}

struct value_row {
	const char *name, *key, *value;
	const char *want; /* the pieces; NULL = refused */
	const char *says; /* a part of the sentence then */
};

static inline void check_value(const struct cilium_reader *reader, const struct value_row *row)
{
	char out[TEXT_MAX];
	int rc = decoded(reader, row->key, row->value, strlen(row->value), out);

	if (row->want) {
		if (rc)
			fail_msg("refused: %s", out);
		assert_string_equal(out, row->want);
		return;
	}
	assert_int_equal(rc, -EINVAL);
	if (!strstr(out, row->says))
		fail_msg("\"%s\" does not say \"%s\"", out, row->says);
}

#endif
