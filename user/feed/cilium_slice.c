/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ClusterEndpointSlice: a zstd frame of protobuf. Read field by field from the wire, for decoded as a
 * whole a few megabytes of a hostile peer's could become gigabytes of empty messages.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/vec.h"
#include "feed/cilium_parts.h"

#define SLICE_SERVICE "kubernetes.io/service-name"
#define SLICE_IMPORTED "multicluster.kubernetes.io/service-name"
#define UNPACK_STEP (64u * 1024)
#define WINDOW_LOG 24 /* of CILIUM_MAX_UNPACKED */

/* ---- zstd ---- */

static int room(char **data, size_t *size)
{
	size_t more = *size ? MIN(2 * *size, (size_t)CILIUM_MAX_UNPACKED + 1) : UNPACK_STEP;
	char *new;

	new = realloc(*data, more);
	if (!new)
		return -ENOMEM;
	*data = new;
	*size = more;
	return 0;
}

static int unpack(ZSTD_DCtx *dctx, const void *value, size_t len, char **data, size_t *ret_len,
		  struct err *err)
{
	ZSTD_inBuffer in = { .src = value, .size = len };
	ZSTD_outBuffer out = { 0 };
	size_t left;

	ZSTD_DCtx_setParameter(dctx, ZSTD_d_windowLogMax, WINDOW_LOG);
	do {
		size_t before_in = in.pos, before_out = out.pos;

		if (out.pos == out.size) {
			if (room(data, &out.size))
				return err_set(err, -ENOMEM, "out of memory");
			out.dst = *data;
		}
		left = ZSTD_decompressStream(dctx, &out, &in);
		if (ZSTD_isError(left))
			return err_set(err, -EINVAL, "it is no zstd frame: %s", ZSTD_getErrorName(left));
		if (out.pos > CILIUM_MAX_UNPACKED)
			return err_set(err, -EINVAL, "unpacked it has more than %u bytes",
				       CILIUM_MAX_UNPACKED);
		if (left && in.pos == before_in && out.pos == before_out && in.pos == in.size)
			return err_set(err, -EINVAL, "its zstd frame is cut");
	} while (left);
	if (in.pos != in.size)
		return err_set(err, -EINVAL, "%zu bytes stand behind its zstd frame", in.size - in.pos);
	*ret_len = out.pos;
	return 0;
}

/* ---- protobuf ---- */

/* The rest of a message. */
struct wire {
	const uint8_t *at, *end;
};

struct field {
	uint32_t number;
	bool is_bytes;
	uint64_t value;    /* of varints */
	struct wire bytes; /* strings and messages */
};

static bool varint(struct wire *w, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; w->at < w->end && shift < 64; shift += 7) {
		uint8_t byte = *w->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

/* 1: a field, 0: the end, -EINVAL. */
static int next_field(struct wire *w, struct field *f, struct err *err)
{
	uint64_t tag, len;
	size_t fixed = 0;

	if (w->at == w->end)
		return 0;
	if (!varint(w, &tag) || !(tag >> 3) || tag >> 32)
		goto bad;
	*f = (struct field){ .number = tag >> 3 };
	switch (tag & 7) {
	case 0:
		if (!varint(w, &f->value))
			goto bad;
		return 1;
	case 1:
		fixed = 8;
		break;
	case 2:
		if (!varint(w, &len) || len > (size_t)(w->end - w->at))
			goto bad;
		f->is_bytes = true;
		f->bytes = (struct wire){ w->at, w->at + len };
		w->at += len;
		return 1;
	case 5:
		fixed = 4;
		break;
	default:
		goto bad;
	}
	/* No field that is used has these: passed over. */
	if (fixed > (size_t)(w->end - w->at))
		goto bad;
	w->at += fixed;
	f->number = UINT32_MAX;
	return 1;
bad:
	return err_set(err, -EINVAL, "it is no protobuf message");
}

/* A text of at most @size - 1 bytes, without NUL. */
static int text_of(const struct field *f, const char *what, char *buf, size_t size, struct err *err)
{
	size_t len = f->bytes.end - f->bytes.at;

	if (!f->is_bytes || len >= size || memchr(f->bytes.at, 0, len))
		return err_set(err, -EINVAL, "%s is not a text of at most %zu bytes", what, size - 1);
	memcpy(buf, f->bytes.at, len);
	buf[len] = '\0';
	return 0;
}

/* ---- EndpointSlice ---- */

struct head {
	char cluster[64], space[64], name[XM_NAME_LEN], service[64], type[16];
	uint64_t id;
	bool imported;
};

struct ends {
	struct slice_object *slice;
	bool v4;
	bool several;
};

static int label(struct wire w, struct head *head, struct err *err)
{
	char key[128] = "", value[64] = "";
	struct field f;
	int rc;

	while ((rc = next_field(&w, &f, err)) > 0) {
		/* Longer keys than those that are looked for are of no interest. */
		if (f.number == 1 && f.is_bytes && (size_t)(f.bytes.end - f.bytes.at) < sizeof(key))
			rc = text_of(&f, "a label", key, sizeof(key), err);
		else if (f.number == 2)
			rc = text_of(&f, "the value of a label", value, sizeof(value), err);
		if (rc < 0)
			return rc;
	}
	if (!strcmp(key, SLICE_SERVICE))
		memcpy(head->service, value, sizeof(value));
	head->imported |= !strcmp(key, SLICE_IMPORTED);
	return rc;
}

static int read_head(struct wire w, struct head *head, struct err *err)
{
	struct field f;
	int rc;

	while ((rc = next_field(&w, &f, err)) > 0) {
		switch (f.number) {
		case 1:
			rc = text_of(&f, "cluster", head->cluster, sizeof(head->cluster), err);
			break;
		case 2:
			head->id = f.value;
			break;
		case 3:
			rc = text_of(&f, "namespace", head->space, sizeof(head->space), err);
			break;
		case 4:
			rc = text_of(&f, "name", head->name, sizeof(head->name), err);
			break;
		case 5:
			if (f.is_bytes)
				rc = label(f.bytes, head, err);
			break;
		case 7:
			rc = text_of(&f, "addressType", head->type, sizeof(head->type), err);
			break;
		}
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int conditions(struct wire w, struct endpoint_object *e, struct err *err)
{
	struct field f;
	int rc;

	while ((rc = next_field(&w, &f, err)) > 0) {
		if (f.number == 1)
			e->ready = f.value;
		else if (f.number == 2)
			e->serving = f.value;
		else if (f.number == 3)
			e->terminating = f.value;
	}
	return rc;
}

static int endpoint_fields(struct wire w, struct endpoint_object *e, char node[XM_NAME_LEN],
			   struct ends *ends, struct err *err)
{
	char text[ADDR_TEXT_MAX];
	struct xm_addr addr;
	struct field f;
	int n = 0, rc;

	while ((rc = next_field(&w, &f, err)) > 0) {
		if (f.number == 1) {
			rc = text_of(&f, "endpoint address", text, sizeof(text), err);
			if (!rc)
				rc = cilium_addr(text, "endpoint address", &addr, err);
			if (!rc && !!xm_addr_is_v4(&addr) != ends->v4)
				rc = err_set(err, -EINVAL, "endpoint address %s is not of its family", text);
			if (!rc && !n++)
				e->addr = addr;
		} else if (f.number == 2 && f.is_bytes) {
			rc = conditions(f.bytes, e, err);
		} else if (f.number == 6) {
			rc = text_of(&f, "nodeName", node, XM_NAME_LEN, err);
		}
		if (rc < 0)
			return rc;
	}
	if (!rc && !n)
		return err_set(err, -EINVAL, "an endpoint has no addresses");
	ends->several |= n > 1;
	return rc;
}

static int add_endpoint(struct wire w, struct ends *ends, struct err *err)
{
	/* What is not told has the API's meaning. */
	struct endpoint_object e = { .ready = true, .serving = true };
	struct slice_object *slice = ends->slice;
	char node[XM_NAME_LEN] = "";
	int rc;

	if (slice->n_endpoints == SNAPSHOT_MAX_ENDPOINTS)
		return err_set(err, -EINVAL, "more than %d endpoints", SNAPSHOT_MAX_ENDPOINTS);
	rc = endpoint_fields(w, &e, node, ends, err);
	if (rc)
		return rc;
	if (vec_grow(&slice->endpoints, slice->n_endpoints, sizeof(e)))
		return err_set(err, -ENOMEM, "out of memory");
	if (*node) {
		e.node = strdup(node);
		if (!e.node)
			return err_set(err, -ENOMEM, "out of memory");
	}
	slice->endpoints[slice->n_endpoints++] = e;
	return 0;
}

static int add_port(struct wire w, struct slice_object *slice, struct err *err)
{
	char name[64] = "", protocol[16] = "";
	uint64_t port = 0;
	uint8_t proto;
	struct field f;
	int rc;

	while ((rc = next_field(&w, &f, err)) > 0) {
		if (f.number == 1)
			rc = text_of(&f, "the name of a port", name, sizeof(name), err);
		else if (f.number == 2)
			rc = text_of(&f, "protocol", protocol, sizeof(protocol), err);
		else if (f.number == 3)
			port = f.value;
		if (rc < 0)
			return rc;
	}
	if (!rc)
		rc = cilium_proto(protocol, &proto, err);
	if (rc || !proto)
		return rc;
	if (port > 65535)
		return err_set(err, -EINVAL, "port %.32s is not from 1 to 65535", name);
	/* None: all ports. */
	rc = cilium_add_port(&slice->ports, &slice->n_ports, name, proto, port ? (int64_t)port : 1, err);
	if (!rc && !port)
		slice->ports[slice->n_ports - 1].port = 0;
	return rc;
}

static int read_ends(struct wire w, struct ends *ends, struct err *err)
{
	struct field f;
	int rc;

	while ((rc = next_field(&w, &f, err)) > 0) {
		if (f.number == 8 && f.is_bytes)
			rc = add_endpoint(f.bytes, ends, err);
		else if (f.number == 9 && f.is_bytes)
			rc = add_port(f.bytes, ends->slice, err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int check_head(const struct cilium_reader *reader, const char *rest, const struct head *head,
		      struct err *err)
{
	int rc = cilium_names(reader, rest, head->cluster, head->space, head->name, err);

	if (rc)
		return rc;
	if (head->id != reader->peer.id)
		return err_set(err, -EINVAL, "its clusterID is not %u, that of cluster %s",
			       reader->peer.id, reader->cluster);
	if (strcmp(head->type, "IPv4") && strcmp(head->type, "IPv6") && strcmp(head->type, "FQDN"))
		return err_set(err, -EINVAL, "addressType is none of IPv4, IPv6, FQDN");
	return 0;
}

static int fill(const struct head *head, struct wire w, struct piece *piece, struct err *err)
{
	struct ends ends = { .slice = &piece->slice, .v4 = !strcmp(head->type, "IPv4") };
	int rc;

	piece->family = ends.v4 ? 4 : 6;
	memcpy(piece->slice.space, head->space, sizeof(head->space));
	memcpy(piece->slice.service, head->service, sizeof(head->service));
	piece->slice.name = strdup(head->name);
	if (!piece->slice.name)
		return err_set(err, -ENOMEM, "out of memory");
	rc = read_ends(w, &ends, err);
	if (!rc && ends.several) {
		piece->warning = strdup("endpoints with several addresses: the first of each is used");
		if (!piece->warning)
			rc = err_set(err, -ENOMEM, "out of memory");
	}
	return rc;
}

static int decode(const struct cilium_reader *reader, const char *rest, struct wire w,
		  struct piece **ret_pieces, struct err *err)
{
	struct head head = { .id = 0 };
	struct piece *piece;
	int rc = read_head(w, &head, err);

	if (!rc)
		rc = check_head(reader, rest, &head, err);
	/* Names are no backends; what was imported is told by its own cluster; one of no service. */
	if (rc || !strcmp(head.type, "FQDN") || head.imported || !*head.service)
		return rc;
	piece = piece_new(PIECE_SLICE);
	if (!piece)
		return err_set(err, -ENOMEM, "out of memory");
	rc = fill(&head, w, piece, err);
	if (rc)
		piece_free(piece);
	else
		*ret_pieces = piece;
	return rc;
}

int cilium_slice(const struct cilium_reader *reader, const char *rest, const void *value, size_t len,
		 struct piece **ret_pieces, struct err *err)
{
	ZSTD_DCtx *dctx = ZSTD_createDCtx();
	char *data = NULL;
	size_t n = 0;
	int rc;

	if (!dctx)
		return err_set(err, -ENOMEM, "out of memory");
	rc = unpack(dctx, value, len, &data, &n, err);
	ZSTD_freeDCtx(dctx);
	if (!rc)
		rc = decode(reader, rest, (struct wire){ (uint8_t *)data, (uint8_t *)data + n },
			    ret_pieces, err);
	free(data);
	return rc;
}
