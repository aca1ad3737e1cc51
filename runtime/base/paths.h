/* paths: where the files of one user are (XDG Base Directory Specification). */
#ifndef KELP_BASE_PATHS_H
#define KELP_BASE_PATHS_H

#include <stdbool.h>

struct buffer;

/* Adds the path of kelp's file or folder `name`: below $XDG_CONFIG_HOME/kelp, or
 * ~/.config/kelp when that is not set; below $XDG_STATE_HOME/kelp, or
 * ~/.local/state/kelp. False, nothing added: HOME is not set either, or neither is
 * an absolute path. */
bool paths_add_config(struct buffer *out, const char *name);
bool paths_add_state(struct buffer *out, const char *name);

#endif
