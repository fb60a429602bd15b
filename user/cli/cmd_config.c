/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* config check, version: what needs neither privileges nor maps. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/defs.h"
#include "core/doc.h"
#include "core/version.h"

/* The effective values as JSON, from the same text that people get. */
static json_object *to_json(const struct doc *doc)
{
	json_object *value = NULL;

	switch (doc->type) {
	case DOC_NULL:
		break;
	case DOC_BOOL:
		value = json_object_new_boolean(doc->integer);
		break;
	case DOC_INT:
		value = json_object_new_int64(doc->integer);
		break;
	case DOC_FLOAT:
	case DOC_STRING:
		value = json_object_new_string(doc->text);
		break;
	case DOC_LIST:
		value = json_object_new_array();
		for (uint32_t i = 0; i < doc->n; i++)
			json_object_array_add(value, to_json(doc->items[i]));
		break;
	case DOC_MAP:
		value = json_object_new_object();
		for (uint32_t i = 0; i < doc->n; i++)
			json_object_object_add(value, doc->keys[i], to_json(doc->items[i]));
		break;
	}
	return value;
}

static int emit_values(struct emit *emit, const char *text, struct err *err)
{
	struct doc_set *set;
	int code = doc_parse(text, strlen(text), "effective values", &set, err);

	if (code)
		return code;
	emit_json(emit, "config", set->n ? to_json(set->docs[0]) : NULL);
	doc_set_free(set);
	return 0;
}

enum cli_exit cmd_config_check(struct cli *cli)
{
	auto_config struct config *config = NULL;
	auto_emit struct emit *emit = NULL;
	auto_free char *text = NULL;
	struct err err = { 0 };
	enum cli_exit code = cli_config(cli, true, &config);

	if (code)
		return code;
	text = config_format(config);
	if (!text)
		return cli_fail(CLI_FAILED, "out of memory");
	if (!cli->json) {
		for (size_t i = 0; i < config->n_warnings; i++)
			cli_warn("%s", config->warnings[i]);
		fputs(text, stdout);
		return CLI_DONE;
	}
	emit = cli_emit(cli);
	emit_text(emit, "file", NULL, config->file);
	emit_list(emit, "warnings", NULL, (const char *const *)config->warnings, config->n_warnings, NULL);
	if (emit_values(emit, text, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	return CLI_DONE;
}

enum cli_exit cmd_version(struct cli *cli)
{
	auto_emit struct emit *emit = cli_emit(cli);

	if (!cli->json) {
		printf("xmesh %s\n", XMESH_VERSION);
		return CLI_DONE;
	}
	emit_text(emit, "version", NULL, XMESH_VERSION);
	emit_number(emit, "abi", NULL, XM_ABI);
	return CLI_DONE;
}
