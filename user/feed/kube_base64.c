/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The standard alphabet, both ways. What may be secret is wiped when it is given up half way. */
#include "feed/kube_base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "core/defs.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int kube_base64_decode(const char *text, size_t len, char **ret_data, size_t *ret_len)
{
	char *data = malloc(len / 4 * 3 + 4);
	unsigned int bits = 0, padding = 0;
	uint32_t word = 0;
	size_t n = 0, digits = 0;
	const char *digit;

	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			continue;
		digit = c ? strchr(alphabet, c) : NULL;
		if (c == '=')
			padding++;
		if (c == '=' && padding <= 2 && (digits + padding) % 4 != 1)
			continue;
		if (!digit || padding)
			goto bad;
		word = word << 6 | (uint32_t)(digit - alphabet);
		digits++;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			data[n++] = (char)(word >> bits);
		}
	}
	/* Six bits alone are no byte; what is behind the last byte must be zero. */
	if (digits % 4 == 1 || (word & ((1u << bits) - 1)))
		goto bad;
	data[n] = '\0';
	*ret_data = data;
	*ret_len = n;
	return 0;
bad:
	explicit_bzero(data, n);
	free(data);
	return -EINVAL;
}

int kube_base64_encode(const char *data, size_t len, char **ret_text)
{
	char *text = malloc((len + 2) / 3 * 4 + 1), *out = text;
	const unsigned char *in = (const unsigned char *)data;

	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t word = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
				(left > 2 ? in[i + 2] : 0);

		*out++ = alphabet[word >> 18];
		*out++ = alphabet[word >> 12 & 63];
		*out++ = left > 1 ? alphabet[word >> 6 & 63] : '=';
		*out++ = left > 2 ? alphabet[word & 63] : '=';
	}
	*out = '\0';
	*ret_text = text;
	return 0;
}
