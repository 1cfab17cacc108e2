/* A host in C: takes one camera (or a file) in, writes the published access units to a file, prints events.
 *
 *   c_host URL-or-file OUT.h264 UNITS
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vigie/vigie.h"

static int failed(const char* what, const vigie_error* error) {
  fprintf(stderr, "%s: %s: %s (%s)\n", what, vigie_code_name(error->code), error->text, error->where);
  return 1;
}

/* A URL or path as a JSON string. */
static void put_json_string(char* out, size_t room, const char* text) {
  size_t n = 0;
  out[n++] = '"';
  for (; *text && n + 3 < room; ++text) {
    if (*text == '"' || *text == '\\') out[n++] = '\\';
    out[n++] = *text;
  }
  out[n++] = '"';
  out[n] = 0;
}

static void print_events(vigie_engine* engine) {
  vigie_event* event = NULL;
  while (vigie_engine_next_event(engine, 0, &event, NULL) == VIGIE_OK) {
    vigie_event_info info;
    vigie_event_info_init(&info);
    if (vigie_event_get_info(event, &info, NULL) == VIGIE_OK) printf("%s %s: %s\n", info.kind, info.object, info.text);
    vigie_event_release(event);
  }
}

static int copy_units(vigie_engine* engine, FILE* out, long wanted, vigie_error* error) {
  vigie_subscribe_options options;
  vigie_subscription* units = NULL;
  vigie_subscribe_options_init(&options);
  options.camera = "camera";
  if (vigie_engine_subscribe(engine, &options, &units, error)) return failed("subscribe", error);
  long got = 0;
  while (got < wanted) {
    vigie_unit* unit = NULL;
    if (vigie_subscription_next(units, 10000, &unit, error)) {
      vigie_subscription_free(units);
      return failed("next unit", error);
    }
    vigie_unit_info info;
    vigie_unit_info_init(&info);
    if (vigie_unit_get_info(unit, &info, error) == VIGIE_OK) {
      if (got == 0)
        printf("first unit: %ux%u, %s\n", info.width, info.height, info.keyframe ? "keyframe" : "no keyframe");
      fwrite(info.data, 1, info.size, out);
      ++got;
    }
    vigie_unit_release(unit);
    print_events(engine);
  }
  vigie_subscription_free(units);
  printf("%ld units written\n", got);
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "use: %s URL-or-file OUT UNITS\n", argv[0]);
    return 2;
  }
  vigie_error error = {.struct_size = sizeof error};
  vigie_engine* engine = NULL;
  if (vigie_engine_create(VIGIE_ABI_VERSION, NULL, &engine, &error)) return failed("create", &error);

  char url[2048];
  char policy[4096];
  put_json_string(url, sizeof url, argv[1]);
  snprintf(policy, sizeof policy,
           "{\"revision\": 1, \"cameras\": [{\"name\": \"camera\", \"privacy\": \"clear\","
           " \"privacy_reason\": \"an example on a test picture\","
           " \"streams\": [{\"name\": \"main\", \"kind\": \"%s\", \"url\": %s}]}]}",
           strncmp(argv[1], "rtsp", 4) == 0 ? "rtsp" : "file", url);
  int status = 1;
  FILE* out = NULL;
  if (vigie_engine_apply(engine, policy, strlen(policy), VIGIE_ANY_REVISION, NULL, &error)) {
    failed("apply", &error);
  } else if (!(out = fopen(argv[2], "wb"))) {
    fprintf(stderr, "%s: %s\n", argv[2], strerror(errno));
  } else {
    status = copy_units(engine, out, atol(argv[3]), &error);
  }
  if (out && fclose(out) != 0) status = 1;
  vigie_engine_free(engine);
  return status;
}
