/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Protobuf's wire format, as far as etcd's answers need it; field numbers are those of etcd.proto. */
#include "feed/etcd_wire.h"

#include <errno.h>
#include <string.h>

#include "core/defs.h"

#define EVENT_BYTES 5 /* kv {key: one byte} */

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* 1: read, *at moves on. 0: cut off. -EPROTO: longer than ten bytes. */
static int read_varint(const uint8_t *data, size_t len, size_t *at, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 70; shift += 7) {
		size_t i = *at + shift / 7;

		if (i >= len)
			return 0;
		/* Of the tenth byte, one bit counts. */
		value |= (uint64_t)(data[i] & 0x7f) << shift;
		if (!(data[i] & 0x80)) {
			*at = i + 1;
			*ret_value = value;
			return 1;
		}
	}
	return -EPROTO;
}

/*
 * The field at the beginning of @data. 1: *ret_size bytes long. 0: cut off; *ret_size is how many bytes it
 * has, or 0 if that is not known yet.
 */
static int read_field(const uint8_t *data, size_t len, struct etcd_field *ret_field, size_t *ret_size)
{
	uint64_t tag, value;
	size_t at = 0, fixed;
	int n;

	*ret_size = 0;
	n = read_varint(data, len, &at, &tag);
	if (n <= 0)
		return n;
	if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return -EPROTO;
	memset(ret_field, 0, sizeof(*ret_field));
	ret_field->id = (uint32_t)(tag >> 3);
	switch ((unsigned int)tag & 7) {
	case WIRE_VARINT:
		n = read_varint(data, len, &at, &ret_field->number);
		if (n > 0)
			*ret_size = at;
		return n;
	case WIRE_BYTES:
		n = read_varint(data, len, &at, &value);
		if (n <= 0)
			return n;
		if (value > ETCD_WIRE_MAX_FIELD)
			return -EMSGSIZE;
		*ret_size = at + (size_t)value;
		ret_field->bytes = true;
		ret_field->data = (struct etcd_bytes){ data + at, (size_t)value };
		return len >= *ret_size;
	case WIRE_64:
	case WIRE_32:
		/* Nothing that is read here has such a field; a newer etcd may. */
		fixed = (tag & 7) == WIRE_64 ? 8 : 4;
		*ret_size = at + fixed;
		ret_field->bytes = true;
		ret_field->data = (struct etcd_bytes){ data + at, fixed };
		return len >= *ret_size;
	}
	return -EPROTO;
}

/* ---- in parts ------------------------------------------------------------------------------- */

static int hold(struct etcd_stream *s, const uint8_t **data, size_t *len, size_t n)
{
	if (s->n + n > s->room) {
		size_t room = MAX(s->n + n, 2 * s->room);
		uint8_t *held = realloc(s->held, room);

		if (!held)
			return -ENOMEM;
		s->held = held;
		s->room = room;
	}
	memcpy(s->held + s->n, *data, n);
	s->n += n;
	*data += n;
	*len -= n;
	return 0;
}

int etcd_stream_next(struct etcd_stream *s, const uint8_t **data, size_t *len,
		     struct etcd_field *ret_field)
{
	size_t size;
	int n;

	if (s->given) {
		s->given = false;
		s->n = 0;
	}
	if (!s->n) {
		if (!*len)
			return 0;
		n = read_field(*data, *len, ret_field, &size);
		if (n > 0) {
			*data += size;
			*len -= size;
		}
		if (n)
			return n;
		return hold(s, data, len, *len);
	}
	for (;;) {
		n = read_field(s->held, s->n, ret_field, &size);
		if (n > 0) {
			s->given = true;
			return 1;
		}
		if (n < 0)
			return n;
		if (!*len)
			return 0;
		/* Until the length is known, byte by byte: what follows the field stays where it is. */
		n = hold(s, data, len, size ? MIN(size - s->n, *len) : 1);
		if (n)
			return n;
	}
}

int etcd_stream_end(struct etcd_stream *s)
{
	bool inside = s->n && !s->given;

	s->n = 0;
	s->given = false;
	return inside ? -EPROTO : 0;
}

void etcd_stream_free(struct etcd_stream *s)
{
	free(s->held);
	*s = (struct etcd_stream){};
}

/* ---- messages ------------------------------------------------------------------------------- */

/* The next field of a whole message. 1, 0 at its end, -EPROTO. */
static int next_field(struct etcd_bytes *rest, struct etcd_field *ret_field)
{
	size_t size;
	int n;

	if (!rest->len)
		return 0;
	n = read_field(rest->data, rest->len, ret_field, &size);
	if (n <= 0)
		return n ? n : -EPROTO;
	rest->data = (const uint8_t *)rest->data + size;
	rest->len -= size;
	return 1;
}

int etcd_read_header(struct etcd_bytes bytes, struct etcd_header *ret_header)
{
	struct etcd_header header = {};
	struct etcd_field f;
	int n;

	while ((n = next_field(&bytes, &f)) > 0) {
		if (f.id == 1 && !f.bytes)
			header.cluster_id = f.number;
		else if (f.id == 3 && !f.bytes)
			header.revision = (int64_t)f.number;
	}
	if (!n)
		*ret_header = header;
	return n;
}

int etcd_read_kv(struct etcd_bytes bytes, struct etcd_kv *ret_kv)
{
	struct etcd_kv kv = {};
	struct etcd_field f;
	int n;

	while ((n = next_field(&bytes, &f)) > 0) {
		if (f.id == 1 && f.bytes)
			kv.key = f.data;
		else if (f.id == 3 && !f.bytes)
			kv.mod_revision = (int64_t)f.number;
		else if (f.id == 5 && f.bytes)
			kv.value = f.data;
		else if (f.id == 6 && !f.bytes)
			kv.lease = (int64_t)f.number;
	}
	if (!n)
		*ret_kv = kv;
	return n;
}

static int read_event(struct etcd_bytes bytes, struct etcd_kv *ret_kv)
{
	struct etcd_bytes kv = {};
	struct etcd_field f;
	bool deleted = false;
	int n;

	while ((n = next_field(&bytes, &f)) > 0) {
		if (f.id == 1 && !f.bytes)
			deleted = f.number == 1;
		else if (f.id == 2 && f.bytes)
			kv = f.data;
	}
	if (n)
		return n;
	n = etcd_read_kv(kv, ret_kv);
	if (!n)
		ret_kv->deleted = deleted;
	return n;
}

int etcd_read_watch(struct etcd_bytes bytes, struct etcd_watch_answer *ret_answer)
{
	struct etcd_watch_answer a = {};
	auto_free struct etcd_kv *events = NULL;
	struct etcd_bytes rest = bytes;
	struct etcd_field f;
	size_t n_events = 0;
	int n;

	while ((n = next_field(&rest, &f)) > 0) {
		switch (f.id) {
		case 1:
			if (f.bytes && etcd_read_header(f.data, &a.header))
				return -EPROTO;
			break;
		case 2:
			a.watch_id = (int64_t)f.number;
			break;
		case 3:
			a.created = f.number;
			break;
		case 4:
			a.canceled = f.number;
			break;
		case 5:
			a.compact_revision = (int64_t)f.number;
			break;
		case 6:
			a.reason = f.data;
			break;
		case 7:
			a.fragment = f.number;
			break;
		case 11:
			/* The least that names a key; so an array of them is bounded by what has come. */
			if (!f.bytes || f.data.len < EVENT_BYTES)
				return -EPROTO;
			n_events++;
			break;
		}
	}
	if (n)
		return n;
	if (n_events) {
		events = calloc(n_events, sizeof(*events));
		if (!events)
			return -ENOMEM;
	}
	rest = bytes;
	while (next_field(&rest, &f) > 0)
		if (f.id == 11 && read_event(f.data, &events[a.n_events++]))
			return -EPROTO;
	a.events = take(events);
	*ret_answer = a;
	return 0;
}
