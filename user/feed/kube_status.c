/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Status objects: metav1.Status of the Kubernetes API. */
#include "feed/kube_status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/defs.h"
#include "core/doc.h"

#define MAX_RETRY_S 300

/* Words of another party on their way to a terminal or a log. */
static void copy_clean(char *to, size_t size, const char *from, size_t len)
{
	size_t n = 0;

	while (len && strchr(" \t\r\n", from[len - 1]))
		len--;
	for (size_t i = 0; i < len && n + 1 < size; i++) {
		if (from[i] == '\n')
			break;
		to[n++] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	}
	to[n] = '\0';
}

static void copy_text(char *to, size_t size, const struct doc *from)
{
	const char *text = doc_text(from);

	if (text)
		copy_clean(to, size, text, strlen(text));
}

static int small_number(const struct doc *d, int max)
{
	return d && d->type == DOC_INT && d->integer > 0 ? (int)MIN(d->integer, (int64_t)max) : 0;
}

void kube_status_read(const char *text, size_t len, struct kube_status *ret_status)
{
	struct kube_status status = {};
	struct doc_set *set = NULL;
	const struct doc *root;

	if (len && text[0] == '{' && !doc_parse(text, len, "status", &set, NULL)) {
		root = set->n ? set->docs[0] : NULL;
		status.code = small_number(doc_get(root, "code"), 999);
		status.retry_after_s = (unsigned int)small_number(
			doc_path(root, "details", "retryAfterSeconds", NULL), MAX_RETRY_S);
		copy_text(status.reason, sizeof(status.reason), doc_get(root, "reason"));
		copy_text(status.message, sizeof(status.message), doc_get(root, "message"));
		doc_set_free(set);
	} else if (len) {
		copy_clean(status.message, sizeof(status.message), text, len);
	}
	*ret_status = status;
}

unsigned int kube_status_retry_after(const char *line, size_t len)
{
	static const char name[] = "retry-after:";
	unsigned int seconds = 0;
	size_t i = sizeof(name) - 1;

	if (len < i || strncasecmp(line, name, i))
		return 0;
	while (i < len && line[i] == ' ')
		i++;
	for (; i < len && line[i] >= '0' && line[i] <= '9'; i++)
		seconds = MIN(seconds * 10 + (unsigned int)(line[i] - '0'), (unsigned int)MAX_RETRY_S);
	return i < len && line[i] != '\r' && line[i] != ' ' ? 0 : seconds;
}

int kube_status_sentence(const struct kube_status *said, int status, const char *server,
			 const char *resource, struct err *err)
{
	switch (status) {
	case 401:
		return err_set(err, -EACCES,
			       "%s does not know us (HTTP 401): the token or certificate of the "
			       "kubeconfig is not valid there, or no longer: make a new one",
			       server);
	case 403:
		return err_set(err, -EACCES,
			       "%s does not let us read %s (HTTP 403: %s): give the account get, list "
			       "and watch on %s (packaging/rbac.yaml)",
			       server, resource, said->message, resource);
	case 404:
		return err_set(err, -ENOENT,
			       "%s has no %s (HTTP 404): is it a Kubernetes API server?", server,
			       resource);
	case 429:
		return err_set(err, -EBUSY, "%s has too much to do (HTTP 429)", server);
	default:
		return err_set(err, -EPROTO, "%s does not answer for %s: HTTP %d%s%s", server, resource,
			       status, *said->message ? ": " : "", said->message);
	}
}
