/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * etcd as a whole: its endpoints, files and password, and what is freed when. The life of a call is in
 * etcd_call.c, what each says in etcd_calls.c.
 */
#include "feed/etcd_rpc.h"

#include <errno.h>
#include <string.h>

#include "core/defs.h"
#include "core/file.h"
#include "feed/etcd_parts.h"

#define MAX_PEM (1024 * 1024)
#define MAX_PASSWORD 4096

static void wipe(void *data, size_t len)
{
	if (data)
		explicit_bzero(data, len);
	free(data);
}

void etcd_wipe(char **text)
{
	if (*text)
		wipe(*text, strlen(*text));
	*text = NULL;
}

/* ---- freeing -------------------------------------------------------------------------------- */

static void etcd_free(struct etcd *etcd)
{
	for (size_t i = 0; i < etcd->n; i++)
		free(etcd->endpoints[i]);
	free(etcd->endpoints);
	free(etcd->https);
	wipe((void *)etcd->setup.ca.data, etcd->setup.ca.len);
	wipe((void *)etcd->setup.cert.data, etcd->setup.cert.len);
	wipe((void *)etcd->setup.key.data, etcd->setup.key.len);
	free(etcd->server_name);
	free(etcd->user);
	etcd_wipe(&etcd->password);
	etcd_wipe(&etcd->token);
	free(etcd);
}

static void on_kick_closed(uv_handle_t *handle)
{
	etcd_free(handle->data);
}

void etcd_enter(struct etcd *etcd)
{
	etcd->depth++;
}

/* @etcd and its dead calls may be gone afterwards. */
void etcd_leave(struct etcd *etcd)
{
	struct etcd_call *call, *next;

	if (--etcd->depth)
		return;
	for (call = etcd->calls; call; call = next) {
		next = call->next;
		if (call->dead)
			etcd_call_free(call);
	}
	if (etcd->closed)
		uv_close((uv_handle_t *)&etcd->kick, on_kick_closed);
}

/* It tells nobody anything any more. */
void etcd_kill_call(struct etcd_call *call)
{
	if (call->dead)
		return;
	call->dead = true;
	if (call->request)
		http_cancel(call->request);
	call->request = NULL;
	if (call->etcd->auth == call)
		call->etcd->auth = NULL;
}

/* ---- endpoints ------------------------------------------------------------------------------ */

int etcd_open_endpoint(struct etcd *etcd, size_t i, struct err *err)
{
	struct http_setup setup = etcd->setup;

	if (etcd->https[i])
		return 0;
	setup.base = etcd->endpoints[i];
	return http_new(&setup, &etcd->https[i], err);
}

static void close_endpoint(struct etcd *etcd, size_t i)
{
	http_close(etcd->https[i]);
	etcd->https[i] = NULL;
}

/* The endpoint of @call failed it: the next call goes elsewhere, or at least by a new connection. */
void etcd_leave_endpoint(struct etcd_call *call)
{
	struct etcd *etcd = call->etcd;
	size_t i = call->endpoint;

	if (i == etcd->at)
		etcd->at = (i + 1) % etcd->n;
	for (const struct etcd_call *c = etcd->calls; c; c = c->next)
		if (c->request && c->endpoint == i)
			return;
	close_endpoint(etcd, i);
}

const char *etcd_endpoint(const struct etcd *etcd)
{
	return etcd->endpoints[etcd->at];
}

void etcd_next_endpoint(struct etcd *etcd)
{
	size_t left = etcd->at;

	etcd_enter(etcd);
	for (struct etcd_call *call = etcd->calls; call; call = call->next)
		etcd_kill_call(call);
	etcd->at = (left + 1) % etcd->n;
	close_endpoint(etcd, left);
	etcd_leave(etcd);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int read_blob(const char *path, struct http_blob *ret_blob, struct err *err)
{
	char *text;
	size_t len;
	int code;

	if (!path)
		return 0;
	code = file_read(AT_FDCWD, path, path, MAX_PEM, 0, &text, &len, err);
	if (!code)
		*ret_blob = (struct http_blob){ text, len };
	return code;
}

static int read_password(struct etcd *etcd, const struct config_etcd *config, struct err *err)
{
	const char *path = config->password_file;
	char *text;
	size_t len;
	int code;

	if (!config->user)
		return 0;
	code = file_read(AT_FDCWD, path, path, MAX_PASSWORD, 0, &text, &len, err);
	if (code)
		return code;
	etcd->password = text;
	/* As an editor ends it. */
	text[strcspn(text, "\r\n")] = '\0';
	if (!*text)
		return err_set(err, -EINVAL, "%s: the first line is empty: write the password of user %s there",
			       path, config->user);
	etcd->user = strdup(config->user);
	return etcd->user ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int copy_endpoints(struct etcd *etcd, const struct config_etcd *config, struct err *err)
{
	etcd->endpoints = calloc(config->n_endpoints, sizeof(*etcd->endpoints));
	etcd->https = calloc(config->n_endpoints, sizeof(struct http *));
	if (!etcd->endpoints || !etcd->https)
		return err_set(err, -ENOMEM, "out of memory");
	for (; etcd->n < config->n_endpoints; etcd->n++) {
		etcd->endpoints[etcd->n] = strdup(config->endpoints[etcd->n]);
		if (!etcd->endpoints[etcd->n])
			return err_set(err, -ENOMEM, "out of memory");
	}
	if (config->server_name) {
		etcd->server_name = strdup(config->server_name);
		if (!etcd->server_name)
			return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

int etcd_new(uv_loop_t *loop, const struct config_etcd *config, struct etcd **ret_etcd,
	     struct err *err)
{
	struct etcd *etcd = calloc(1, sizeof(*etcd));
	int code;

	if (!etcd)
		return err_set(err, -ENOMEM, "out of memory");
	etcd->loop = loop;
	code = copy_endpoints(etcd, config, err);
	if (!code)
		code = read_blob(config->ca, &etcd->setup.ca, err);
	if (!code)
		code = read_blob(config->cert, &etcd->setup.cert, err);
	if (!code)
		code = read_blob(config->key, &etcd->setup.key, err);
	if (!code)
		code = read_password(etcd, config, err);
	etcd->setup.loop = loop;
	etcd->setup.server_name = etcd->server_name;
	etcd->setup.http2 = true;
	/* Whether they are URLs at all is told here and now. */
	for (size_t i = 0; i < etcd->n && !code; i++)
		code = etcd_open_endpoint(etcd, i, err);
	if (code) {
		for (size_t i = 0; i < etcd->n; i++)
			close_endpoint(etcd, i);
		etcd_free(etcd);
		return code;
	}
	uv_timer_init(loop, &etcd->kick);
	etcd->kick.data = etcd;
	*ret_etcd = etcd;
	return 0;
}

void etcd_close(struct etcd *etcd)
{
	if (!etcd || etcd->closed)
		return;
	etcd_enter(etcd);
	etcd->closed = true;
	for (struct etcd_call *call = etcd->calls; call; call = call->next)
		etcd_kill_call(call);
	for (size_t i = 0; i < etcd->n; i++)
		close_endpoint(etcd, i);
	etcd_leave(etcd);
}
