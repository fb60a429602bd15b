/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP by libmicrohttpd, whose epoll descriptor the agent's loop polls. */
#include "agent/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/defs.h"

/* Who waits for an answer that a worker makes. */
struct request {
	struct http *http;
	struct MHD_Connection *connection;
	struct request *next;
	bool waiting;
	struct MHD_Response *response; /* ours; NULL = not there yet, or no memory for it */
	unsigned int status;
	bool done;
};

struct job {
	uv_work_t work;
	struct http *http;
	const struct http_page *page;
	void *begun;
	struct http_answer answer;
};

struct http {
	uv_loop_t *loop;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer;
	const struct http_page *pages;
	void *user;
	bool busy[HTTP_PAGES];             /* a worker makes this page */
	struct request *waiting[HTTP_PAGES];
	unsigned int n_jobs, n_handles;
	bool closing;
};

static void http_free_when_idle(struct http *http)
{
	if (http->closing && !http->n_jobs && !http->n_handles)
		free(http);
}

static void pump(struct http *http);

static void on_timer(uv_timer_t *timer)
{
	pump(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	pump(poll->data);
}

static void pump(struct http *http)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	MHD_run(http->daemon);
	if (MHD_get_timeout(http->daemon, &timeout_ms) == MHD_YES)
		uv_timer_start(&http->timer, on_timer, timeout_ms, 0);
	else
		uv_timer_stop(&http->timer);
}

static struct MHD_Response *response_new(struct http_answer *answer)
{
	static const char *const headers[][2] = {
		{ "X-Content-Type-Options", "nosniff" },
		{ "X-Frame-Options", "DENY" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Cache-Control", "no-store" },
		{ "Content-Security-Policy", "default-src 'self' 'unsafe-inline'; img-src 'self' data:; "
					     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
	};
	struct MHD_Response *response;

	if (!answer->body)
		return NULL;
	response = MHD_create_response_from_buffer(answer->len, answer->body, answer->constant ?
						   MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
	if (!response) {
		if (!answer->constant)
			free(answer->body);
		return NULL;
	}
	MHD_add_response_header(response, "Content-Type", answer->type);
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		MHD_add_response_header(response, headers[i][0], headers[i][1]);
	return response;
}

static enum MHD_Result reply(struct MHD_Connection *connection, struct http_answer *answer)
{
	struct MHD_Response *response = response_new(answer);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	result = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned int status, const char *text)
{
	struct http_answer answer = { .status = status, .type = "text/plain; charset=utf-8",
				      .body = (char *)text, .len = strlen(text), .constant = true };

	return reply(connection, &answer);
}

static void on_worker(uv_work_t *work)
{
	struct job *job = work->data;

	job->page->work(job->begun, &job->answer);
}

/* All that wait get one response, which counts its owners. */
static void release(struct http *http, size_t page, struct MHD_Response *response, unsigned int status)
{
	struct request *r, *next;

	for (r = http->waiting[page]; r; r = next) {
		next = r->next;
		r->waiting = false;
		r->done = true;
		r->response = response;
		r->status = status;
		MHD_resume_connection(r->connection);
	}
	http->waiting[page] = NULL;
}

static void on_worked(uv_work_t *work, int status)
{
	struct job *job = work->data;
	struct http *http = job->http;
	struct MHD_Response *response = response_new(&job->answer);
	size_t page = (size_t)(job->page - http->pages);

	http->n_jobs--;
	http->busy[page] = false;
	if (!http->closing) {
		release(http, page, response, job->answer.status);
		/* The handler of each resumed connection runs in here, and queues the response. */
		pump(http);
	}
	if (response)
		MHD_destroy_response(response);
	free(job);
	http_free_when_idle(http);
}

static int job_start(struct http *http, size_t page)
{
	struct job *job;

	if (http->busy[page])
		return 0;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->begun = http->pages[page].begin(http->user);
	if (!job->begun) {
		free(job);
		return -ENOMEM;
	}
	job->http = http;
	job->page = &http->pages[page];
	job->work.data = job;
	uv_queue_work(http->loop, &job->work, on_worker, on_worked);
	http->busy[page] = true;
	http->n_jobs++;
	return 0;
}

static enum MHD_Result wait_for(struct http *http, struct request *r, size_t page)
{
	if (job_start(http, page))
		return MHD_NO;
	r->waiting = true;
	r->next = http->waiting[page];
	http->waiting[page] = r;
	MHD_suspend_connection(r->connection);
	return MHD_YES;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **request)
{
	struct http *http = user;
	struct http_answer answer = { 0 };
	struct request *r = *request;

	if (!r) {
		/* Before a body is read: then the answer is the end of the connection. */
		if (strcmp(method, "GET") && strcmp(method, "HEAD"))
			return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
		r = calloc(1, sizeof(*r));
		if (!r)
			return MHD_NO;
		r->http = http;
		r->connection = connection;
		*request = r;
		return MHD_YES;
	}
	if (*upload_size)
		return MHD_NO;
	if (r->done)
		return r->response ? MHD_queue_response(connection, r->status, r->response) : MHD_NO;
	for (size_t i = 0; http->pages[i].path; i++) {
		if (strcmp(url, http->pages[i].path))
			continue;
		if (http->pages[i].work)
			return wait_for(http, r, i);
		http->pages[i].now(http->user, &answer);
		return reply(connection, &answer);
	}
	return refuse(connection, MHD_HTTP_NOT_FOUND, "there is /, /metrics, /healthz and /api/mesh\n");
}

static void on_completed(void *user, struct MHD_Connection *connection, void **request,
			 enum MHD_RequestTerminationCode code)
{
	struct request *r = *request, **at;

	for (size_t i = 0; r && r->waiting && i < HTTP_PAGES; i++)
		for (at = &r->http->waiting[i]; *at; at = &(*at)->next)
			if (*at == r) {
				*at = r->next;
				break;
			}
	free(r);
	*request = NULL;
}

/* "ADDRESS:PORT", "[ADDRESS]:PORT": as the configuration's reader let through. */
static int bind_to(const char *listen_on, int *ret_fd, struct err *err)
{
	char host[ADDR_TEXT_MAX];
	const char *colon = strrchr(listen_on, ':');
	size_t bracket = listen_on[0] == '[', len = colon ? (size_t)(colon - listen_on) - 2 * bracket : sizeof(host);
	struct sockaddr_in6 sa6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sa4 = { .sin_family = AF_INET };
	auto_close int fd = -1;
	struct xm_addr addr;
	int one = 1, code;
	bool v4;

	if (len >= sizeof(host))
		return err_set(err, -EINVAL, "metrics.listen: %s is not ADDRESS:PORT", listen_on);
	memcpy(host, listen_on + bracket, len);
	host[len] = '\0';
	code = addr_parse(host, &addr, err);
	if (code)
		return err_in(err, code, "metrics.listen");
	v4 = xm_addr_is_v4(&addr);
	sa4.sin_port = sa6.sin6_port = htons((uint16_t)atoi(colon + 1));
	memcpy(&sa6.sin6_addr, &addr, sizeof(sa6.sin6_addr));
	memcpy(&sa4.sin_addr, (const char *)&addr + 12, sizeof(sa4.sin_addr));
	fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    (!v4 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one))) ||
	    bind(fd, v4 ? (const struct sockaddr *)&sa4 : (const struct sockaddr *)&sa6,
		 v4 ? sizeof(sa4) : sizeof(sa6)) || listen(fd, HTTP_CONNECTIONS))
		return err_set(err, -errno, "metrics.listen: cannot listen on %s: %s", listen_on, strerror(errno));
	*ret_fd = take_fd(fd);
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct http *http = handle->data;

	http->n_handles--;
	http_free_when_idle(http);
}

int http_serve(uv_loop_t *loop, const char *listen_on, const struct http_page *pages, void *user,
	     struct http **ret_http, struct err *err)
{
	const union MHD_DaemonInfo *info;
	auto_close int fd = -1;
	struct http *http;
	int code = bind_to(listen_on, &fd, err);

	if (code)
		return code;
	http = calloc(1, sizeof(*http));
	if (!http)
		return err_set(err, -ENOMEM, "out of memory");
	http->loop = loop;
	http->pages = pages;
	http->user = user;
	http->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, http,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)HTTP_CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)HTTP_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HTTP_CONNECTION_BYTES, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_END);
	info = http->daemon ? MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		free(http);
		return err_set(err, -ENOMEM, "metrics.listen: libmicrohttpd does not start");
	}
	(void)take_fd(fd);
	uv_poll_init(loop, &http->poll, info->epoll_fd);
	uv_timer_init(loop, &http->timer);
	http->poll.data = http->timer.data = http;
	http->n_handles = 2;
	uv_poll_start(&http->poll, UV_READABLE, on_poll);
	*ret_http = http;
	return 0;
}

void http_stop(struct http *http)
{
	if (!http)
		return;
	http->closing = true;
	uv_poll_stop(&http->poll);
	for (size_t i = 0; http->pages[i].path; i++)
		release(http, i, NULL, 0);
	MHD_stop_daemon(http->daemon);
	uv_close((uv_handle_t *)&http->poll, on_closed);
	uv_close((uv_handle_t *)&http->timer, on_closed);
}
