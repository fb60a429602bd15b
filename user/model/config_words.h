/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words of xmesh.yaml, by the values of their enums. Not for: anyone but config*.c. */
#ifndef XMESH_MODEL_CONFIG_WORDS_H
#define XMESH_MODEL_CONFIG_WORDS_H

#define CONFIG_METRICS_DEFAULT "127.0.0.1:9964"
/*
 * A publisher that is gone is known to be within the time after which its state is stale by default.
 * A shorter lease would republish everything after each small outage of the etcd.
 */
#define CONFIG_PUBLISH_TTL_S 300

extern const char *const config_path_words[];
extern const char *const config_xdp_words[];
extern const char *const config_carry_words[];
extern const char *const config_family_words[];
extern const char *const config_mode_words[];

#endif
