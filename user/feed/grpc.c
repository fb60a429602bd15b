/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* gRPC over HTTP/2: one flag, four bytes of length; a status in the trailers. */
#include "feed/grpc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/defs.h"

void grpc_write_head(uint8_t head[GRPC_HEAD], uint32_t len)
{
	uint32_t be = htonl(len);

	head[0] = 0;
	memcpy(head + 1, &be, sizeof(be));
}

int grpc_take_head(struct grpc_frames *frames, const uint8_t **data, size_t *len, uint32_t limit)
{
	size_t n = MIN(*len, (size_t)(GRPC_HEAD - frames->n_head));
	uint32_t be;

	if (n)
		memcpy(frames->head + frames->n_head, *data, n);
	frames->n_head += (unsigned int)n;
	*data += n;
	*len -= n;
	if (frames->n_head < GRPC_HEAD)
		return 0;
	/* No encoding was offered. */
	if (frames->head[0])
		return -EPROTO;
	memcpy(&be, frames->head + 1, sizeof(be));
	if (ntohl(be) > limit)
		return -EMSGSIZE;
	frames->n_head = 0;
	frames->inside = true;
	frames->left = ntohl(be);
	return 1;
}

bool grpc_take(struct grpc_frames *frames, size_t n)
{
	frames->left -= (uint32_t)n;
	if (frames->left)
		return false;
	frames->inside = false;
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void decode_message(const char *in, size_t len, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < size; i++) {
		unsigned char c = (unsigned char)in[i];

		if (c == '%' && i + 2 < len && hex(in[i + 1]) >= 0 && hex(in[i + 2]) >= 0) {
			c = (unsigned char)(hex(in[i + 1]) << 4 | hex(in[i + 2]));
			i += 2;
		}
		/* It goes to logs and terminals. */
		out[n++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
	}
	out[n] = '\0';
}

/* The value of "@name: value", NULL if the line is another. */
static const char *value_of(const char *name, const char *line, size_t len, size_t *ret_len)
{
	size_t n = strlen(name);

	if (len <= n || line[n] != ':' || strncasecmp(line, name, n))
		return NULL;
	for (n++; n < len && line[n] == ' '; n++)
		;
	*ret_len = len - n;
	return line + n;
}

bool grpc_read_line(struct grpc_status *status, const char *line, size_t len)
{
	const char *value;
	size_t n;

	value = value_of("grpc-message", line, len, &n);
	if (value) {
		decode_message(value, n, status->message, sizeof(status->message));
		return false;
	}
	value = value_of("grpc-status", line, len, &n);
	if (!value)
		return false;
	/* What is no number from 0 to 99 is taken as code 2, "unknown". */
	status->code = 2;
	if (n == 1 && value[0] >= '0' && value[0] <= '9')
		status->code = value[0] - '0';
	else if (n == 2 && value[0] >= '1' && value[0] <= '9' && value[1] >= '0' && value[1] <= '9')
		status->code = (value[0] - '0') * 10 + value[1] - '0';
	return true;
}
