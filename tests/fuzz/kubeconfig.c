/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* libFuzzer: a kubeconfig; what comes of it is whole, equal to itself, and no header can be smuggled. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed/kubeconfig.h"

static void must(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kubeconfig *config, *again;
	struct err err = {};
	char *line;

	if (kubeconfig_parse((const char *)data, size, "/nowhere/k", NULL, &config, &err)) {
		must(*err.text, "an error without a sentence");
		return 0;
	}
	must(config->server && config->where, "a server is missing");
	must(!config->user == !config->password, "half of a login");
	must(!kubeconfig_parse((const char *)data, size, "/nowhere/k", NULL, &again, &err) &&
	     kubeconfig_equal(config, again), "read twice, not the same");
	kubeconfig_free(again);
	if (!config->token_file && !kubeconfig_authorization(config, &line, &err)) {
		must(!line || !strpbrk(line, "\r\n"), "a header line that is two");
		kubeconfig_wipe(line);
	}
	kubeconfig_free(config);
	return 0;
}
