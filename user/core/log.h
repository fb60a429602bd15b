/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lines for the operator, on stderr, one event each; under systemd (JOURNAL_STREAM set) with the
 * <N> level prefix of sd-daemon(3), else with a plain word. Never a secret, never in a pure layer.
 */
#ifndef XMESH_CORE_LOG_H
#define XMESH_CORE_LOG_H

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
