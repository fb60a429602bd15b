/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the operator wrote in xmesh.yaml, checked and with defaults filled in. Pure: from text, to
 * text. Keys and meaning are those of xmesh.yaml(5). Not for: anything learned at run time.
 */
#ifndef XMESH_MODEL_CONFIG_H
#define XMESH_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "xmesh/maps.h"

#define CONFIG_DEFAULT_PATH "/etc/xmesh/xmesh.yaml"
#define CONFIG_MAX_BYTES (1024 * 1024)
#define CONFIG_MAX_GLOBS 64
#define CONFIG_MAX_UNDERLAY 16
#define CONFIG_MAX_SOURCES 8
#define CONFIG_MAX_ENDPOINTS 16

enum config_path { CONFIG_PATH_AUTO, CONFIG_PATH_FAST, CONFIG_PATH_STACK };
enum config_xdp { CONFIG_XDP_OFF, CONFIG_XDP_AUTO, CONFIG_XDP_NATIVE, CONFIG_XDP_GENERIC };
enum config_carry { CONFIG_CARRY_AUTO, CONFIG_CARRY_YES, CONFIG_CARRY_NO };
enum config_family { CONFIG_FAMILY_AUTO, CONFIG_FAMILY_IPV4, CONFIG_FAMILY_IPV6 };

enum config_source_kind {
	CONFIG_SOURCE_DIR,
	CONFIG_SOURCE_ETCD,
	CONFIG_SOURCE_KUBERNETES,
	CONFIG_SOURCE_CILIUM,
};

/* File names are absolute: relative ones in the text are meant from the folder of the configuration. */
struct config_etcd {
	char **endpoints;         /* "https://192.0.2.9:2379", 1..CONFIG_MAX_ENDPOINTS */
	size_t n_endpoints;
	char *prefix;             /* "/xmesh/north": begins with '/', no slash at its end; "" for Cilium */
	char *ca, *cert, *key;    /* PEM files; NULL = the system's, none, none */
	char *server_name;        /* expected in the certificate; NULL = the endpoint's host */
	char *user, *password_file; /* both or none */
};

/* One place to read a cluster from. Only the part of @kind is filled. */
struct config_source {
	enum config_source_kind kind;
	char *dir;
	struct config_etcd etcd;
	char *kubeconfig, *context; /* NULL: the service account of the pod; its current-context */
	char *cilium;               /* file of /var/lib/cilium/clustermesh */
	uint32_t line;
};

struct config_cluster {
	char name[64];
	uint16_t id;              /* 1..65535 */
	uint8_t mode4, mode6;     /* enum xm_mode */
	struct config_source *sources; /* feed:, by priority; none = no feed (own cluster only) */
	size_t n_sources;
	uint32_t line;            /* where it stands, for sentences */
};

struct config {
	char *file;                       /* where it was read, for sentences */
	struct config_cluster own;        /* cluster: and local: */
	char node_name[XM_NAME_LEN];      /* empty = the host name */
	struct xm_addr node_addr4, node_addr6; /* zero = find on the underlay */
	char instance[33];
	char *bpffs, *run_dir, *state_dir;
	char device[16];
	char underlay[CONFIG_MAX_UNDERLAY][16];
	size_t n_underlay;
	char *pod_globs[CONFIG_MAX_GLOBS];
	size_t n_pod_globs;
	enum config_path pods_path;
	bool pods_source_check;           /* pods.source_check, default true */
	enum config_xdp xdp;
	uint16_t tunnel_port;
	uint32_t tunnel_id;               /* VNI, 1..16777215 */
	enum config_family tunnel_family;
	enum config_carry carry;
	uint64_t stale_after_ms, remove_after_ms; /* UINT64_MAX = never */
	unsigned int max_shrink_percent;
	char *metrics_listen;             /* ADDRESS:PORT, or "off" */
	char *socket_lb;                  /* "auto", "off" or a cgroup v2 path */
	/* north_south: {return_own: direct|entry, return_peers: entry|direct} */
	bool return_own_entry, return_peers_direct; /* defaults: false, false */
	struct config_etcd *publish;  /* NULL = nothing is published */
	uint32_t publish_ttl_s;           /* of the lease that all that is published hangs on */
	struct config_cluster *peers;
	size_t n_peers;
	char **warnings;                  /* sentences for the log: what is allowed but unwise */
	size_t n_warnings;
};

/*
 * Read @len bytes of @text. Unknown keys, wrong types, ids out of range, duplicate ids or names,
 * bad addresses and globs are refused with "FILE:LINE: ..." and, for keys, the nearest known one.
 * http:// endpoints are allowed, with a warning. Files that are named are not opened. -EINVAL,
 * -ENOMEM. The caller owns *ret_config.
 */
int config_parse(const char *text, size_t len, const char *file, struct config **ret_config,
		 struct err *err);
/*
 * Read CONFIG_MAX_BYTES at most from @path and parse it. Errors of file_read() and config_parse().
 */
int config_read(const char *path, struct config **ret_config, struct err *err);
/* Equal in all that says what is read and how, not in the line. For reloads. */
bool config_source_equal(const struct config_source *a, const struct config_source *b);
bool config_etcd_equal(const struct config_etcd *a, const struct config_etcd *b);
/* A configuration of defaults alone, for `attach` on a host without a file. */
int config_defaults(struct config **ret_config);
void config_free(struct config *config);
/* The effective values as YAML that config_parse() reads back to the same. malloc'ed text. */
char *config_format(const struct config *config);

#endif
