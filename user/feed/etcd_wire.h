/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The two large answers of etcd, read where they lie: RangeResponse field by field as its bytes come in,
 * WatchResponse as a whole. protobuf-c would allocate several times per key. Not for: the small ones.
 */
#ifndef XMESH_FEED_ETCD_WIRE_H
#define XMESH_FEED_ETCD_WIRE_H

#include "feed/etcd_rpc.h"

/* A single key with its value; etcd takes requests of 1.5 MiB unless told otherwise. */
#define ETCD_WIRE_MAX_FIELD (16u * 1024 * 1024)

/* One field of a message. Only one of @number's kinds is filled. */
struct etcd_field {
	uint32_t id;
	bool bytes;             /* else a number */
	uint64_t number;
	struct etcd_bytes data;
};

/* A message that comes in parts: a field that is split is collected. Zero is the beginning. */
struct etcd_stream {
	uint8_t *held;
	size_t n, room;
	bool given;             /* @held is a field that was given out */
};

/*
 * The next whole field of *data, which moves on. It lies in *data or in @stream until the next call. 1; 0:
 * more bytes are needed, *data is used up. -EPROTO: no protobuf. -EMSGSIZE: ETCD_WIRE_MAX_FIELD. -ENOMEM.
 */
int etcd_stream_next(struct etcd_stream *stream, const uint8_t **data, size_t *len,
		     struct etcd_field *ret_field);
/* The message is over. -EPROTO: it ended inside of a field. The stream is at its beginning again. */
int etcd_stream_end(struct etcd_stream *stream);
void etcd_stream_free(struct etcd_stream *stream);

/* ResponseHeader, KeyValue: what is missing is zero. -EPROTO. */
int etcd_read_header(struct etcd_bytes bytes, struct etcd_header *ret_header);
int etcd_read_kv(struct etcd_bytes bytes, struct etcd_kv *ret_kv);

struct etcd_watch_answer {
	struct etcd_header header;
	int64_t watch_id, compact_revision;
	bool created, canceled, fragment;
	struct etcd_bytes reason;
	struct etcd_kv *events; /* free() it; what it points at lies in the message */
	size_t n_events;
};
/* -EPROTO, -ENOMEM. */
int etcd_read_watch(struct etcd_bytes bytes, struct etcd_watch_answer *ret_answer);

#endif
