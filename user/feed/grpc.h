/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * gRPC's frames and status, as bytes come in. A message is given on in parts, never collected here. Not
 * for: what is in it, and who carries it.
 */
#ifndef XMESH_FEED_GRPC_H
#define XMESH_FEED_GRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRPC_HEAD 5

/* Of google.golang.org/grpc/codes: those that mean something to us. */
enum grpc_code {
	GRPC_NONE = -1, /* not told */
	GRPC_OK = 0,
	GRPC_INVALID_ARGUMENT = 3,
	GRPC_NOT_FOUND = 5,
	GRPC_PERMISSION_DENIED = 7,
	GRPC_OUT_OF_RANGE = 11,
	GRPC_UNAVAILABLE = 14,
	GRPC_UNAUTHENTICATED = 16,
};

/* Zero is the state before the first frame. */
struct grpc_frames {
	uint8_t head[GRPC_HEAD];
	unsigned int n_head;
	bool inside;    /* of a message, of which @left bytes are to come */
	uint32_t left;
};

void grpc_write_head(uint8_t head[GRPC_HEAD], uint32_t len);

/*
 * Outside of a message: take a frame's head from *data, which moves on. 1: inside now, frames->left tells
 * how much; 0: more bytes are needed. -EPROTO: compressed. -EMSGSIZE: more than @limit bytes.
 */
int grpc_take_head(struct grpc_frames *frames, const uint8_t **data, size_t *len, uint32_t limit);
/* @n bytes of the message are read. True: that was its end. */
bool grpc_take(struct grpc_frames *frames, size_t n);

struct grpc_status {
	int code;           /* GRPC_NONE until told */
	char message[256];  /* cut; decoded; without control characters */
};

/* Looks at one line of headers or trailers. True: it was grpc-status. */
bool grpc_read_line(struct grpc_status *status, const char *line, size_t len);

#endif
