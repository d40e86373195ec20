/* client_command.h - what the commands of clients share: settings, a connection, an end. */
#ifndef MR_CLIENT_COMMAND_H
#define MR_CLIENT_COMMAND_H

#include "client.h"
#include "settings.h"

typedef struct mr_client_command {
    mr_settings_t settings;
    mr_client_t client;
    int first; /* operand in argv */
} mr_client_command_t;

/* Reads the settings of a command without a job. Returns 0; 1: help was printed; -1: USAGE. */
int mr_client_settings(mr_client_command_t *command, mr_use_t use, const char *help, int argc, char **argv,
                       mr_error_t *error);

/* Opens the connection that the settings name; from now on signals end what waits. */
int mr_client_connect(mr_client_command_t *command, mr_error_t *error);

/* Frees, says the error if there is one, and returns the exit status. */
int mr_client_leave(mr_client_command_t *command, const mr_error_t *error);

/* Reads a job's number. */
int mr_client_id(const char *text, uint64_t *id, mr_error_t *error);

#endif
