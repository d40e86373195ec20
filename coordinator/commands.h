/* commands.h - one function for each command of `millrace`. Each takes the arguments from its own name on, and returns the exit
 * status, after saying on stderr what was wrong. */
#ifndef MR_COMMANDS_H
#define MR_COMMANDS_H

int mr_command_run(int argc, char **argv);
int mr_command_serve(int argc, char **argv);
int mr_command_submit(int argc, char **argv);
int mr_command_wait(int argc, char **argv);
int mr_command_status(int argc, char **argv);
int mr_command_cancel(int argc, char **argv);
int mr_command_doctor(int argc, char **argv);
int mr_command_jobs(int argc, char **argv);
int mr_command_keygen(int argc, char **argv);

#endif
