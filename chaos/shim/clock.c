/* Another time of day for one process, by LD_PRELOAD: what the clock says plus the seconds in the file SG_CLOCK.
 *
 * The file holds one 64-bit number and is mapped, so a step counts from the next reading on. CLOCK_MONOTONIC stays as it
 * is. The kernel is asked directly: looking up the C library's own functions allocates, which a server's allocator, that
 * asks for the time itself, does not survive.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t none = 0;
static const volatile int64_t *step = &none;

__attribute__((constructor)) static void map_step(void)
{
	const char *path = getenv("SG_CLOCK");
	int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *place = file < 0 ? MAP_FAILED : mmap(0, sizeof *step, PROT_READ, MAP_SHARED, file, 0);

	/* Without it a run would prove nothing. */
	if (place == MAP_FAILED)
		abort();
	close(file);
	step = place;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int failed = (int)syscall(SYS_clock_gettime, clock, now);

	if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += *step;
	return failed;
}

int gettimeofday(struct timeval *restrict day, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &now))
		return -1;
	day->tv_sec = now.tv_sec;
	day->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *seconds)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now))
		return -1;
	if (seconds)
		*seconds = now.tv_sec;
	return now.tv_sec;
}
