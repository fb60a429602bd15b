/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Protobuf messages by hand, and zstd frames of them: ClusterEndpointSlice as Cilium writes it. */
#ifndef TESTS_FEED_CILIUM_FRAMES_H
#define TESTS_FEED_CILIUM_FRAMES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct message {
	size_t len;
	uint8_t data[65536];
};

static inline void put_varint(struct message *m, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		m->data[m->len++] = value | 0x80;
	m->data[m->len++] = value;
}

static inline void put_number(struct message *m, uint32_t field, uint64_t value)
{
	put_varint(m, field << 3);
	put_varint(m, value);
}

static inline void put_bytes(struct message *m, uint32_t field, const void *data, size_t len)
{
	put_varint(m, field << 3 | 2);
	put_varint(m, len);
	memcpy(m->data + m->len, data, len);
	m->len += len;
}

static inline void put_text(struct message *m, uint32_t field, const char *text)
{
	put_bytes(m, field, text, strlen(text));
}

static inline void put_message(struct message *m, uint32_t field, const struct message *inner)
{
	put_bytes(m, field, inner->data, inner->len);
}

static inline void put_label(struct message *m, const char *key, const char *value)
{
	struct message label = { .len = 0 };

	put_text(&label, 1, key);
	put_text(&label, 2, value);
	put_message(m, 5, &label);
}

/* The fields before the endpoints. */
static inline void put_head(struct message *m, const char *cluster, uint64_t id, const char *type)
{
	put_text(m, 1, cluster);
	put_number(m, 2, id);
	put_text(m, 3, "foo");
	put_text(m, 4, "bar-x1");
	put_label(m, "kubernetes.io/service-name", "bar");
	put_text(m, 7, type);
}

/* conditions: three letters of "1", "0", "-" (not told); NULL = none of them. */
static inline void put_endpoint(struct message *m, const char *addr, const char *conditions, const char *node)
{
	struct message e = { .len = 0 }, c = { .len = 0 };

	put_text(&e, 1, addr);
	for (uint32_t i = 0; conditions && i < 3; i++)
		if (conditions[i] != '-')
			put_number(&c, i + 1, conditions[i] == '1');
	if (conditions)
		put_message(&e, 2, &c);
	if (node)
		put_text(&e, 6, node);
	put_text(&e, 7, "zone-a");
	put_message(m, 8, &e);
}

static inline void put_port(struct message *m, const char *name, const char *protocol, uint64_t port)
{
	struct message p = { .len = 0 };

	put_text(&p, 1, name);
	put_text(&p, 2, protocol);
	put_number(&p, 3, port);
	put_message(m, 9, &p);
}

/* malloc'ed. @window_log 0: as Go's encoder does, with the size told in front. */
static inline void *frame_of(const void *data, size_t len, int window_log, size_t *ret_len)
{
	size_t room = ZSTD_compressBound(len);
	void *frame = malloc(room);
	ZSTD_CCtx *cctx = ZSTD_createCCtx();

	if (window_log) {
		ZSTD_CCtx_setParameter(cctx, ZSTD_c_contentSizeFlag, 0);
		ZSTD_CCtx_setParameter(cctx, ZSTD_c_windowLog, window_log);
	}
	*ret_len = ZSTD_compress2(cctx, frame, room, data, len);
	ZSTD_freeCCtx(cctx);
	return frame;
}

#endif
