/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What curl is told about a server and a request, and what its errors mean in words that say what to
 * do. Nothing of the environment is used: no proxy, no .netrc, no configuration file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/defs.h"
#include "core/version.h"
#include "feed/http_parts.h"

#define CONNECT_MS 5000
#define KEEPALIVE_S 15L
#define BUFFER_BYTES 65536L

/* What CURLINFO_SSL_VERIFYRESULT gives: X509_V_* of OpenSSL's x509_vfy.h, which never change. */
enum verify {
	VERIFY_OK = 0,
	VERIFY_UNDONE = 1, /* curl compares names first */
	VERIFY_NO_ISSUER = 2,
	VERIFY_BAD_SIGNATURE = 7,
	VERIFY_NOT_YET_VALID = 9,
	VERIFY_EXPIRED = 10,
	VERIFY_SELF_SIGNED = 18,
	VERIFY_SELF_SIGNED_IN_CHAIN = 19,
	VERIFY_NO_ISSUER_LOCALLY = 20,
	VERIFY_NO_LEAF_SIGNATURE = 21,
	VERIFY_OTHER_HOST = 62,
	VERIFY_OTHER_ADDRESS = 64,
};

/* ---- the server --------------------------------------------------------------------------------- */

static void free_curl(char **text)
{
	curl_free(*text);
}

static void free_url(CURLU **url)
{
	curl_url_cleanup(*url);
}

#define auto_curl __attribute__((cleanup(free_curl)))
#define auto_url __attribute__((cleanup(free_url)))

/* "[::1]" -> "::1" */
static char *bare_host(const char *host)
{
	size_t len = strlen(host);

	if (host[0] == '[' && len > 2)
		return strndup(host + 1, len - 2);
	return strdup(host);
}

static bool is_v6(const char *host)
{
	return strchr(host, ':') != NULL;
}

static int read_proxy(struct http *http, struct err *err)
{
	auto_url CURLU *url = curl_url();
	auto_curl char *host = NULL;

	if (!url)
		return err_set(err, -ENOMEM, "out of memory");
	/* Its text may hold a password: it is not quoted. */
	if (curl_url_set(url, CURLUPART_URL, http->proxy, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0))
		return err_set(err, -EINVAL, "the proxy of %s is no URL: write it as "
			       "http://HOST:PORT", http->base);
	http->proxy_host = strdup(host);
	return http->proxy_host ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int read_target(struct http *http, const char *server_name, struct err *err)
{
	auto_url CURLU *url = curl_url();
	auto_curl char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL, *user = NULL;
	auto_free char *to = NULL;
	int n;

	if (!url)
		return err_set(err, -ENOMEM, "out of memory");
	if (curl_url_set(url, CURLUPART_URL, http->base, 0) ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0) ||
	    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
	    curl_url_get(url, CURLUPART_PATH, &path, 0) ||
	    (strcmp(scheme, "http") && strcmp(scheme, "https")))
		return err_set(err, -EINVAL, "\"%s\" is no URL of a server: write it as "
			       "https://HOST:PORT", http->base);
	if (!curl_url_get(url, CURLUPART_USER, &user, 0))
		return err_set(err, -EINVAL, "the URL of %s has a user in it: that belongs elsewhere, "
			       "it would show in logs", host);
	http->https = !strcmp(scheme, "https");
	http->host = bare_host(host);
	http->name = bare_host(server_name ? server_name : host);
	if (!http->host || !http->name)
		return err_set(err, -ENOMEM, "out of memory");
	if (!server_name) {
		http->url = strdup(http->base);
	} else {
		/* The name is that of the URL, so that curl sends and verifies it, but not the way there. */
		n = asprintf(&http->url, is_v6(http->name) ? "%s://[%s]:%s%s" : "%s://%s:%s%s", scheme,
			     http->name, port, strcmp(path, "/") ? path : "");
		if (n < 0)
			http->url = NULL;
		if (asprintf(&to, "::%s:%s", host, port) < 0)
			to = NULL;
		http->connect_to = to ? curl_slist_append(NULL, to) : NULL;
		if (!http->connect_to)
			return err_set(err, -ENOMEM, "out of memory");
	}
	if (!http->url)
		return err_set(err, -ENOMEM, "out of memory");
	return http->proxy ? read_proxy(http, err) : 0;
}

static int copy_text(const char *text, char **ret_text)
{
	if (!text)
		return 0;
	*ret_text = strdup(text);
	return *ret_text ? 0 : -ENOMEM;
}

static int copy_blob(const struct http_blob *blob, struct http_blob *ret_blob)
{
	void *data;

	if (!blob->data)
		return 0;
	data = malloc(blob->len + 1);
	if (!data)
		return -ENOMEM;
	memcpy(data, blob->data, blob->len);
	*ret_blob = (struct http_blob){ data, blob->len };
	return 0;
}

int http_curl_server(const struct http_setup *setup, struct http **ret_http, struct err *err)
{
	struct http *http = calloc(1, sizeof(*http));
	int code;

	if (!http)
		return err_set(err, -ENOMEM, "out of memory");
	http->loop = setup->loop;
	http->insecure = setup->insecure;
	http->http2 = setup->http2;
	if (copy_text(setup->base, &http->base) || copy_text(setup->proxy, &http->proxy) ||
	    copy_text(setup->user_agent, &http->user_agent) || copy_blob(&setup->ca, &http->ca) ||
	    copy_blob(&setup->cert, &http->cert) || copy_blob(&setup->key, &http->key))
		code = err_set(err, -ENOMEM, "out of memory");
	else
		code = read_target(http, setup->server_name, err);
	if (code)
		http_curl_free(http);
	else
		*ret_http = http;
	return code;
}

static void free_blob(struct http_blob *blob)
{
	if (blob->data)
		explicit_bzero((void *)blob->data, blob->len);
	free((void *)blob->data);
}

void http_curl_free(struct http *http)
{
	curl_slist_free_all(http->connect_to);
	free_blob(&http->ca);
	free_blob(&http->cert);
	free_blob(&http->key);
	if (http->proxy)
		explicit_bzero(http->proxy, strlen(http->proxy));
	free(http->proxy);
	free(http->proxy_host);
	free(http->base);
	free(http->url);
	free(http->host);
	free(http->name);
	free(http->user_agent);
	free(http);
}

/* ---- options -------------------------------------------------------------------------------- */

static int add_header(struct http_request *r, const char *line)
{
	struct curl_slist *more = curl_slist_append(r->headers, line);

	if (!more)
		return -ENOMEM;
	r->headers = more;
	return 0;
}

static void set_blob(CURL *easy, CURLoption option, const struct http_blob *blob)
{
	/* The key is not copied by curl: there is one to wipe. */
	struct curl_blob b = { (void *)blob->data, blob->len, CURL_BLOB_NOCOPY };

	if (blob->data)
		curl_easy_setopt(easy, option, &b);
}

static void set_tls(const struct http *http, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, http->insecure ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, http->insecure ? 0L : 2L);
	curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L); /* the names in it, for a sentence */
	set_blob(easy, CURLOPT_CAINFO_BLOB, &http->ca);
	set_blob(easy, CURLOPT_SSLCERT_BLOB, &http->cert);
	set_blob(easy, CURLOPT_SSLKEY_BLOB, &http->key);
	/* A CA that was given is the only one: without this, the system's folder counts too. */
	if (http->ca.data)
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
}

int http_curl_options(struct http_request *r, const struct http_ask *ask)
{
	const struct http *http = r->http;
	bool upload = ask->len || ask->keep_open;
	auto_free char *url = NULL;
	CURL *easy = r->easy;

	if (asprintf(&url, "%s%s", http->url, ask->path) < 0) {
		url = NULL;
		return -ENOMEM;
	}
	/* curl would ask first, and tell what it takes. */
	if (add_header(r, "Expect:") || add_header(r, "Accept:"))
		return -ENOMEM;
	for (const char *const *h = ask->headers; h && *h; h++)
		if (add_header(r, *h))
			return -ENOMEM;
	if (curl_easy_setopt(easy, CURLOPT_URL, url) ||
	    curl_easy_setopt(easy, CURLOPT_USERAGENT,
			     http->user_agent ? http->user_agent : "xmesh/" XMESH_VERSION) ||
	    curl_easy_setopt(easy, CURLOPT_PROXY, http->proxy ? http->proxy : ""))
		return -ENOMEM;
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, r->headers);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, r->error);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* A resolver that hangs is left behind with its thread: it must not hold up this loop. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(ask->connect_ms ? ask->connect_ms : CONNECT_MS));
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
	if (http->connect_to)
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, http->connect_to);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
			 (long)(!http->http2 ? CURL_HTTP_VERSION_1_1 : http->https ? CURL_HTTP_VERSION_2TLS :
				CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
	if (http->https) {
		set_tls(http, easy);
	} else if (http->http2) {
		/* curl 7.88 sends nothing on a connection that it uses again with prior knowledge. */
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	}
	if (ask->gzip)
		curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	if (upload) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		if (!ask->keep_open)
			curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)ask->len);
	}
	return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, ask->method) ? -ENOMEM : 0;
}

/* ---- errors --------------------------------------------------------------------------------- */

/* curl's own words for it. */
static const char *detail(const struct http_request *r)
{
	return *r->error ? r->error : curl_easy_strerror(r->result);
}

static bool says(const struct http_request *r, const char *words)
{
	return strcasestr(r->error, words) != NULL;
}

static int os_errno(const struct http_request *r)
{
	long n = 0;

	curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &n);
	return (int)n;
}

/* The names that the server's certificate is for, as "a.example, 192.0.2.9"; false: not known. */
static bool read_names(const struct http_request *r, char *text, size_t size)
{
	static const char tag[] = "X509v3 Subject Alternative Name:";
	struct curl_certinfo *info = NULL;
	const char *at;
	size_t len = 0;

	if (curl_easy_getinfo(r->easy, CURLINFO_CERTINFO, &info) || !info || info->num_of_certs < 1)
		return false;
	for (struct curl_slist *l = info->certinfo[0]; l; l = l->next) {
		if (strncmp(l->data, tag, sizeof(tag) - 1))
			continue;
		for (at = l->data + sizeof(tag) - 1; *at && len + 1 < size; at++) {
			if (!strncmp(at, "DNS:", 4))
				at += 3;
			else if (!strncmp(at, "IP Address:", 11))
				at += 10;
			else
				text[len++] = *at;
		}
		text[len] = '\0';
		return len > 0;
	}
	return false;
}

static int certificate_error(const struct http_request *r, struct err *err)
{
	const struct http *http = r->http;
	char names[256];
	long verify = 0;

	curl_easy_getinfo(r->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
	switch (verify) {
	case VERIFY_OK:
	case VERIFY_UNDONE:
	case VERIFY_OTHER_HOST:
	case VERIFY_OTHER_ADDRESS:
		if (!says(r, "subject") && !says(r, "name"))
			break;
		if (!read_names(r, names, sizeof(names)))
			return err_set(err, -EKEYREJECTED, "the certificate of %s is not for %s (%s)",
				       http->base, http->name, detail(r));
		return err_set(err, -EKEYREJECTED, "the certificate of %s is for %s, not %s: set the server "
			       "name that is expected to one of these", http->base, names, http->name);
	case VERIFY_EXPIRED:
		return err_set(err, -EKEYREJECTED, "the certificate of %s has expired: renew it there, or "
			       "set the clock here", http->base);
	case VERIFY_NOT_YET_VALID:
		return err_set(err, -EKEYREJECTED, "the certificate of %s is not valid yet: compare the "
			       "clocks of both hosts", http->base);
	case VERIFY_SELF_SIGNED:
	case VERIFY_SELF_SIGNED_IN_CHAIN:
	case VERIFY_NO_ISSUER:
	case VERIFY_NO_ISSUER_LOCALLY:
	case VERIFY_NO_LEAF_SIGNATURE:
	case VERIFY_BAD_SIGNATURE:
		return err_set(err, -EKEYREJECTED, http->ca.data ?
			       "the certificate of %s is not signed by the CA that is set: is it that "
			       "server's?" : "the certificate of %s is not signed by a CA of this system: "
			       "set the CA that signed it", http->base);
	}
	return err_set(err, -EKEYREJECTED, "the certificate of %s is refused: %s", http->base, detail(r));
}

static int timeout_error(const struct http_request *r, struct err *err)
{
	const struct http *http = r->http;
	unsigned long long ms = r->ask.connect_ms ? r->ask.connect_ms : CONNECT_MS;
	curl_off_t resolved = 0;

	if (r->silent)
		return err_set(err, -ETIMEDOUT, "%s was silent for %llu ms: is it overloaded, stopped or cut "
			       "off?", http->base, (unsigned long long)r->ask.silence_ms);
	curl_easy_getinfo(r->easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
	if (!resolved)
		return err_set(err, -ETIMEDOUT, "cannot resolve %s of %s within %llu ms: does the DNS server "
			       "in /etc/resolv.conf answer?", http->proxy ? http->proxy_host : http->host,
			       http->base, ms);
	if (!r->greeting)
		return err_set(err, -ETIMEDOUT, "cannot connect to %s within %llu ms: is the host up, and do "
			       "routes and firewalls let us there?", http->base, ms);
	return err_set(err, -ETIMEDOUT, "%s takes connections, but did not greet within %llu ms: is the server "
		       "stopped, or something else there?", http->base, ms);
}

/* The other side refused our certificate, or wants one; TLS 1.3 tells only after the greeting. */
static bool is_refusal(const struct http_request *r)
{
	return says(r, "alert") && (says(r, "certificate") || says(r, "unknown ca") ||
				    says(r, "access denied"));
}

static int refusal_error(const struct http_request *r, struct err *err)
{
	const struct http *http = r->http;

	if (!http->cert.data)
		return err_set(err, -EKEYREJECTED, "%s wants a client certificate: set one and its key "
			       "(%s)", http->base, detail(r));
	return err_set(err, -EKEYREJECTED, "%s refuses our certificate: is it signed by a CA that the server "
		       "trusts, and still valid? (%s)", http->base, detail(r));
}

static int transfer_error(const struct http_request *r, struct err *err)
{
	const struct http *http = r->http;
	int n = os_errno(r);
	long status = 0;

	if (is_refusal(r))
		return refusal_error(r, err);
	if (says(r, "wrong version number"))
		return err_set(err, -EPROTO, "%s speaks no TLS: is the port right, or is it http://?",
			       http->base);
	if (!r->connected && says(r, "unexpected eof"))
		return err_set(err, -EPROTO, "%s hung up when asked for TLS: perhaps it speaks no TLS; is the port "
			       "right, or is it http://?", http->base);
	if (!r->connected && r->result == CURLE_SSL_CONNECT_ERROR)
		return err_set(err, -EPROTO, "cannot agree on TLS with %s: %s", http->base, detail(r));
	if (n == ETIMEDOUT || says(r, "timed out"))
		return err_set(err, -ETIMEDOUT, "the connection to %s is dead: nothing was acknowledged",
			       http->base);
	if (r->deaf)
		return err_set(err, -EPROTO, "%s refused a stream: is it the server that is meant, and is its "
			       "cluster complete?", http->base);
	/* A refusal that curl did not get to read: the server was faster to close than we to ask. */
	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (http->https && !status)
		return err_set(err, -EPROTO, "%s ended the connection after TLS was agreed on: %s? (%s)",
			       http->base, http->cert.data ? "does it refuse our client certificate" :
			       "does it want a client certificate", detail(r));
	if (n == ECONNRESET)
		return err_set(err, -EPROTO, "%s reset the connection", http->base);
	return err_set(err, -EPROTO, "%s ended the connection before its answer: %s", http->base, detail(r));
}

int http_curl_error(const struct http_request *r, struct err *err)
{
	const struct http *http = r->http;
	int n;

	switch ((int)r->result) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return err_set(err, -ENOENT, "cannot resolve %s of %s: is the name right, and does DNS know it?",
			       http->host, http->base);
	case CURLE_COULDNT_RESOLVE_PROXY:
		return err_set(err, -ENOENT, "cannot resolve the proxy %s on the way to %s: is the name "
			       "right?", http->proxy_host, http->base);
	case CURLE_COULDNT_CONNECT:
		n = os_errno(r);
		if (!n)
			n = ECONNREFUSED;
		return err_set(err, -n, "cannot connect to %s%s%s: %s: is the server running there, and does "
			       "a firewall let us?", http->base, http->proxy ? " by the proxy " : "",
			       http->proxy ? http->proxy_host : "", strerror(n));
	case CURLE_OPERATION_TIMEDOUT:
		return timeout_error(r, err);
	case CURLE_PEER_FAILED_VERIFICATION:
		return certificate_error(r, err);
	case CURLE_SSL_CERTPROBLEM:
		return err_set(err, -EKEYREJECTED, "our certificate or key for %s cannot be used: is it PEM, "
			       "and do both belong together? (%s)", http->base, detail(r));
	case CURLE_SSL_CACERT_BADFILE:
		return err_set(err, -EKEYREJECTED, "the CA for %s cannot be used: is it PEM? (%s)",
			       http->base, detail(r));
	case CURLE_OUT_OF_MEMORY:
		return err_set(err, -ENOMEM, "out of memory");
	}
	return transfer_error(r, err);
}
