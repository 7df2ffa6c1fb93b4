// Does nothing for as long as it is let: the first process of the test cluster's node and of each
// of its pods. Whatever loses its parent below it becomes its child, and is buried here.
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int number) {
  (void)number;
  _exit(0);
}

int main(void) {
  sigset_t children;
  signal(SIGTERM, leave);
  signal(SIGINT, leave);
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, NULL);
  for (;;) {
    int signal_number = 0;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
    sigwait(&children, &signal_number);
  }
}
