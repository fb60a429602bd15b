/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What etcd_rpc.c (the whole), etcd_call.c (the life of a call) and etcd_calls.c (each call) share. */
#ifndef XMESH_FEED_ETCD_PARTS_H
#define XMESH_FEED_ETCD_PARTS_H

#include <protobuf-c/protobuf-c.h>

#include "feed/etcd_rpc.h"
#include "feed/etcd_wire.h"
#include "feed/grpc.h"
#include "feed/http.h"

/* Nothing heard of an answer for so long: the member is stopped or cut off. A watch may be silent. */
#define ETCD_SILENCE_MS 10000
/* A range is never held as a whole: its bound only says that something is wrong. */
#define ETCD_MAX_RANGE (1024u * 1024 * 1024)
/* Others are. etcd cuts watch answers into fragments of --max-request-bytes, 1.5 MiB unless set. */
#define ETCD_MAX_ANSWER (32u * 1024 * 1024)

struct etcd {
	uv_loop_t *loop;
	uv_timer_t kick;        /* a call was resumed */
	unsigned int depth;     /* > 0 while a callback may run: nothing is freed then */
	bool closed;
	char **endpoints;
	struct http **https;    /* one per endpoint, NULL until used */
	size_t n, at;           /* the one in use */
	struct http_setup setup;
	char *server_name;
	char *user, *password, *token;
	bool no_auth;           /* etcd told that it asks nobody for a token */
	struct etcd_call *auth; /* runs while others wait for a token */
	struct etcd_call *calls;
};

/* What differs between calls. */
struct etcd_call_ops {
	const char *path;
	bool stream;            /* the request goes on; no end is expected */
	/* Of a message, as much as has come: how much was read, or -EPROTO, -EMSGSIZE, -ENOMEM. */
	ssize_t (*part)(struct etcd_call *call, const uint8_t *data, size_t len);
	/* The message is over. */
	int (*message)(struct etcd_call *call);
	/* The call is over; it tells who asked. */
	void (*over)(struct etcd_call *call, int code, const struct err *err);
};

struct etcd_call {
	struct etcd *etcd;
	struct etcd_call *prev, *next;
	const struct etcd_call_ops *ops;
	struct http_request *request;
	size_t endpoint;
	bool dead;              /* freed when no callback runs */
	bool waiting;           /* for a token */
	bool retried;           /* with another token */
	bool told;              /* something of the answer: no second try */
	bool paused;
	unsigned int messages;
	uint8_t *out;           /* what was sent, for a second try; of a stream, what waits */
	size_t out_len;
	struct grpc_frames frames;
	struct grpc_status status;
	struct etcd_stream stream;
	uint8_t *in;            /* of an answer that is held as a whole */
	size_t in_len, in_room;
	uint8_t *rest;          /* not read yet, because of a pause */
	size_t rest_len;
	struct etcd_header header;
	int64_t lease, ttl_s;
	bool more;
	int64_t count;

	struct etcd_range range;
	struct etcd_watch_setup watch;
	int64_t *adds;          /* ids of watches that are not answered, in order */
	size_t n_adds;
	etcd_lease_fn lease_done;
	etcd_done_fn done;
	void *user;
};

/* ---- etcd_rpc.c ---- */

/* Around whatever may call back. @etcd and its dead calls may be gone after the second. */
void etcd_enter(struct etcd *etcd);
void etcd_leave(struct etcd *etcd);
/* It tells nobody anything any more, and is freed when no callback runs. */
void etcd_kill_call(struct etcd_call *call);
int etcd_open_endpoint(struct etcd *etcd, size_t i, struct err *err);
/* The endpoint of @call failed it: the next call goes elsewhere, or at least by a new connection. */
void etcd_leave_endpoint(struct etcd_call *call);
/* A secret goes. */
void etcd_wipe(char **text);

/* ---- etcd_call.c ---- */

/* A call with @message as its first or only one. *ret_call is set before anything is called back. */
int etcd_call_new(struct etcd *etcd, const struct etcd_call_ops *ops, const ProtobufCMessage *message,
		  struct etcd_call **ret_call);
/* The call's own fields are filled: begin. -ENOMEM: it is freed. */
int etcd_call_begin(struct etcd_call *call);
/* More of a stream's request. */
int etcd_call_send(struct etcd_call *call, const ProtobufCMessage *message);
/* Collects an answer in call->in; for etcd_call_ops.part. */
ssize_t etcd_call_hold(struct etcd_call *call, const uint8_t *data, size_t len);

void etcd_call_free(struct etcd_call *call);

#endif
