/* timeline.h - when what happened, for whoever wants to know where a run's time went: debug lines "timeline: SECONDS: WHAT". The
 * seconds are the system's monotonic clock, which all processes of a machine share, so that lines of the coordinator and of its
 * local workers can be put in one order. */
#ifndef MR_TIMELINE_H
#define MR_TIMELINE_H

/* Says that now `what` is over or begins. Costs nothing unless debug lines are printed. */
void mr_timeline(const char *what);

#endif
