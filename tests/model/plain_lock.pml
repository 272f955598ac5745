/* The protocol of a plain lock, as core/mutex (mutex.h, ownership, plain) and core/sync have it, under death at every
 * step.
 *
 * THREADS threads take and release one lock ROUNDS times each. A STEP is one atomic access to memory, one change that
 * only the kernel's look at a dying thread can see (the robust list, list_op_pending), or one system call; before every
 * step the thread may be killed, KILLS times in all. The kernel then does what its exit path does in the stable tree.
 *
 * Verified (see run_model.py):
 *   mutual exclusion          assertion in ENTER
 *   owner_died: none missed, none invented                              assertion in ENTER
 *   no lost wake-up           a run may end only with every thread done: a thread that sleeps when nobody can move any more
 *                             is an "invalid end state". Kills and time-outs that are left over do not hide it: Fate takes
 *                             them away at any moment (-DFATE). Where deaths go unreported, sleepers may be left for the
 *                             next time-out, but not on a free word, unless the dead thread took the wake with it (Judge)
 *   the waiters bit           the monitor: never clear under a sleeper, but within the system call that wakes it
 *   only the head sleeps on the word; a sleeper has it pending; pending is cleared in the end      (-DSTRUCTURE)
 *
 * Switches, all 0 if not given: BREAK_… weaken the protocol in one place (each must be found out); the others widen it.
 * docs/design/protocol.md says which function each label stands for.
 */

#ifndef THREADS
#define THREADS 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef EVENTS /* time-outs, signals and spurious wake-ups, in all */
#define EVENTS 0
#endif
#ifndef LOST_NOTICES /* deaths that the kernel does not report: process_mrelease, execve by another thread */
#define LOST_NOTICES 0
#endif
/* -DTRYLOCK: an attempt may be a trylock.  -DHINT: head waiters ask bargers to queue.  -DKEEP: an owner may leave without
 * consistent().  -DREFUSED=1: FUTEX_WAKE_OP may be refused, call by call; 2: always.  -DPROBE: who waited long asks whether
 * the owner is dead.  -DPENDING_STAYS: the fast path leaves pending set while the lock is held, until another operation
 * clears it or the release is over: not so in the code, and harmless in all that is modelled.  -DSTRUCTURE: see above. */
#ifndef REFUSED
#define REFUSED 0
#endif
#ifndef BREAK_PENDING /* which store to list_op_pending is left out: the numbers at PEND() */
#define BREAK_PENDING 0
#endif

/* A word: who owns it (0 = free), and two flags. */
#define TID 7
#define DIED 8
#define WAITERS 16
#define IS_FREE(value) (((value) & TID) == 0)

/* What list_op_pending names. */
#define NOTHING 0
#define WORD 1
#define BATON 2

/* Shared memory. */
byte word = 0;
byte baton = 0;
#ifdef HINT
bit hint = 0; /* a request is written; whether it is still in force, its reader decides */
#endif

/* The kernel: who sleeps on which word, one bit a thread; and whether the word's hash bucket is locked by a WAKE_OP. */
byte on_word = 0;
byte on_baton = 0;
bit bucket = 0;
byte gone = 0; /* threads that the kernel is done with */

byte kills = KILLS;
byte events = EVENTS;
byte lost = LOST_NOTICES;

/* Ghosts: what is true, whatever the words say. */
byte inside = 0; /* who */
bit dirty = 0;   /* an owner died inside, and no owner since has declared the data consistent */
bit wake_lost = 0; /* a thread died unreported amid an operation */

#define KILLED                                                                 \
  atomic {                                                                     \
    kills > 0 -> kills--;                                                      \
    on_word = on_word & ~mine; on_baton = on_baton & ~mine;                    \
    if :: inside == self -> dirty = 1 :: else fi;                              \
    goto killed                                                                \
  }
#define STEP(...) if :: atomic { __VA_ARGS__ } :: KILLED fi

/* Numbers of the stores to list_op_pending, for BREAK_PENDING. */
#define PEND(number, what) if :: BREAK_PENDING == number -> skip :: BREAK_PENDING != number -> STEP(pending = what) fi

/* mark_if_dead(). A TID is not used again here, so the count that guards against that is left out. */
#define IS_DEAD(value) (!IS_FREE(value) && (gone & (1 << (((value) & TID) - 1))) != 0)
#define MARK_IF_DEAD                                                                         \
  STEP(e = word);                                                                            \
  if                                                                                         \
  :: IS_DEAD(e) -> STEP(if :: word == e -> word = (e & WAITERS) | DIED; inside = 0 :: else fi; e = 0) \
  :: else                                                                                    \
  fi;

#define CAS(place, desired, and_then) if :: place == e -> place = desired; and_then :: else -> e = place fi

#define ENTER(found)                              \
  assert(inside == 0);                            \
  assert((dirty != 0) == (((found) & DIED) != 0)); \
  inside = self

#ifdef BREAK_BARGER_DROPS_WAITERS
#define BARGER_KEEPS DIED
#else
#define BARGER_KEEPS (WAITERS | DIED)
#endif
#ifdef BREAK_TAKE_DROPS_DIED /* the word loses the flag; what the taker was told is right, what the next is told is not */
#define HEAD_KEEPS 0
#else
#define HEAD_KEEPS DIED
#endif

/* futex(2). Which sleeper a wake reaches is left open: more than the kernel's order by priority and arrival. */
inline wake_one(sleepers) {
  if
  :: sleepers == 0 -> skip
  :: (sleepers & 1) != 0 -> sleepers = sleepers & ~1
  :: (sleepers & 2) != 0 -> sleepers = sleepers & ~2
  :: (sleepers & 4) != 0 -> sleepers = sleepers & ~4
  :: (sleepers & 8) != 0 -> sleepers = sleepers & ~8
  fi
}
/* A wake waits for the bucket's lock, unless it sees without the lock that nobody sleeps. */
#define WAKE_WORD (bucket == 0 || on_word == 0); wake_one(on_word)

/* kernel/futex/core.c, handle_futex_death(): of a list entry, or of the pending one. Not killable. */
inline death(place, is_pending, sleepers, bucket_is_free, is_word) {
  do
  :: atomic {
       e = place;
       if
       :: is_pending && IS_FREE(e) -> goto_wake = 1; break
       :: !(is_pending && IS_FREE(e)) && (e & TID) != self -> goto_wake = 0; break
       :: (e & TID) == self -> skip
       fi
     }
     atomic {
       if
       :: place == e ->
          place = (e & WAITERS) | DIED;
          if :: is_word -> assert(inside == self); inside = 0 :: else fi;
          goto_wake = ((e & WAITERS) != 0);
          break
       :: else -> skip
       fi
     }
  od;
#ifdef BREAK_KERNEL_WITHOUT_PENDING_WAKE /* before "futex: Resend potentially swallowed owner death notification" */
  if :: is_pending && IS_FREE(e) -> goto_wake = 0 :: else fi;
#endif
  if
  :: goto_wake -> atomic { bucket_is_free -> wake_one(sleepers) }
  :: else
  fi
}

active [THREADS] proctype Thread() {
  byte self = _pid + 1;
  byte mine = 1 << _pid;
  byte e = 0;            /* the value last read */
  byte pending = NOTHING; /* list_op_pending */
  bit word_linked = 0;   /* the robust list */
  bit baton_linked = 0;
  byte rounds = ROUNDS;
  bit try_once = 0, late = 0, queued = 0, got = 0, told = 0, goto_wake = 0, slept = 0, probed = 0;

begin:
  atomic {
#ifdef STRUCTURE
    assert(pending == NOTHING && !word_linked && !baton_linked);
#endif
    e = 0; try_once = 0; late = 0; queued = 0; got = 0; told = 0; slept = 0; probed = 0;
    if :: rounds == 0 -> goto finished :: else -> rounds-- fi;
#ifdef TRYLOCK
    if :: try_once = 1 :: skip fi
#endif
  }

/* ---- acquire(), the fast path */
  PEND(1, WORD);
#ifdef HINT
  STEP(if :: hint != 0 -> goto cold :: else fi);
#endif
  STEP(if :: word == 0 -> word = self; ENTER(0); goto taken_fast :: else fi);
  goto cold;
taken_fast: /* link_node() */
  STEP(word_linked = 1);
#ifndef PENDING_STAYS
  STEP(pending = NOTHING);
#endif
  goto critical;

/* ---- cold::acquire() */
cold:
  STEP(pending = NOTHING);
  if :: try_once -> goto try_word :: else fi;

/* ---- plain::Waiter::spin(), one turn of it */
  PEND(2, WORD);
#ifdef HINT
  STEP(e = hint; if :: e != 0 -> skip :: else -> goto spin_once fi);
  if
  :: atomic { e = 0; goto spun }                     /* in force */
  :: STEP(e = 0; hint = 0)                           /* expired: cleared away */
  fi;
spin_once:
#endif
  STEP(e = word; if :: !IS_FREE(e) -> goto spun :: else fi);
spin_take:
  STEP(CAS(word, self | (e & BARGER_KEEPS), ENTER(e); goto finish_acquire);
       if :: IS_FREE(e) -> goto spin_take :: else fi);
spun:
  STEP(e = 0; pending = NOTHING);

/* ---- queue() */
#ifdef BREAK_NO_BATON
  goto head;
#endif
  PEND(3, BATON);
queue:
  STEP(e = baton; if :: !IS_FREE(e) -> goto queue_sleep :: else fi);
#if defined(BREAK_BATON_WOKEN_IF_MARKED) /* as glibc does on its mutex */
  STEP(CAS(baton, self | (e & WAITERS) | (slept * WAITERS), e = 0; goto link_baton); goto queue);
#elif defined(BREAK_BATON_TAKEN_WITHOUT_WAITERS)
  STEP(CAS(baton, self, e = 0; goto link_baton); goto queue);
#else
  STEP(CAS(baton, self | WAITERS, e = 0; goto link_baton); goto queue);
#endif
queue_sleep:
#ifdef BREAK_BATON_WOKEN_IF_MARKED
  if :: (e & WAITERS) == 0 -> STEP(CAS(baton, e | WAITERS, e = e | WAITERS); if :: (e & WAITERS) == 0 -> goto queue :: else fi)
     :: else fi;
#endif
  STEP(if :: baton == e -> on_baton = on_baton | mine :: else -> goto queue fi;
#ifdef STRUCTURE
       assert(pending == BATON);
#endif
       e = 0);
  if
  :: atomic { (on_baton & mine) == 0 -> slept = 1; goto queue }                                    /* woken */
  :: atomic { (on_baton & mine) != 0 && events > 0 -> events--; on_baton = on_baton & ~mine;
              if
              :: goto queue                                                              /* a signal, or spurious */
              :: goto give_up                                                            /* EINTR asked for; EFAULT */
              :: late = 1                                                                /* the deadline */
              :: skip                                                                    /* a slice */
              fi }
  :: KILLED
  fi;

/* ---- try_past_the_queue() */
#ifdef PROBE
  STEP(e = baton); /* WaitQueue::free_of_the_dead() */
  if
  :: IS_DEAD(e) -> STEP(if :: baton == e -> baton = 0 :: else -> goto probe_word fi);
     STEP(wake_one(on_baton))
  :: else
  fi;
probe_word:
  PEND(10, WORD);
  MARK_IF_DEAD
#endif
  PEND(4, WORD);
  STEP(e = word; if :: !IS_FREE(e) -> goto not_past :: else fi);
past_take:
  STEP(CAS(word, self | (e & BARGER_KEEPS), ENTER(e); goto finish_acquire);
       if :: IS_FREE(e) -> goto past_take :: else fi);
not_past:
  STEP(e = 0; pending = NOTHING);
  if :: late -> goto done :: else fi;
  PEND(5, BATON);
  goto queue;

link_baton:
  queued = 1;
  STEP(baton_linked = 1);
  STEP(pending = NOTHING);

/* ---- wait_as_head() */
head:
  PEND(6, WORD);
head_take:
  STEP(e = word; if :: !IS_FREE(e) -> goto head_busy :: else fi);
head_cas:
#ifdef BREAK_NO_BATON
  STEP(CAS(word, self | (e & (WAITERS | DIED)) | (slept * WAITERS), ENTER(e); got = 1; goto finish_acquire);
#else
  STEP(CAS(word, self | (e & HEAD_KEEPS), ENTER(e); got = 1; goto leave);
#endif
       if :: IS_FREE(e) -> goto head_cas :: else fi);
head_busy:
#ifdef PROBE
  MARK_IF_DEAD
  if :: IS_FREE(e) -> goto head_take :: else fi;
#endif
  if
  :: late -> goto leave
  :: atomic { !late && events > 0 -> events--; goto leave }      /* the deadline passed while awake */
  :: !late
  fi;
#ifdef HINT
  if :: STEP(hint = 1) :: skip fi;
#endif
  STEP(e = word; if :: IS_FREE(e) -> goto head_take :: else fi);
  if
  :: (e & WAITERS) == 0 -> STEP(CAS(word, e | WAITERS, e = e | WAITERS; goto head_sleep); goto head_take)
  :: else
  fi;
head_sleep:
  STEP(bucket == 0;
       if :: word == e -> 
#ifdef STRUCTURE
             assert(on_word == 0 && pending == WORD && (baton & TID) == self);
#endif
             on_word = on_word | mine
          :: else -> goto head_take
       fi;
       e = 0);
  if
  :: atomic { (on_word & mine) == 0 -> slept = 1; goto head_take }                                  /* woken */
  :: atomic { (on_word & mine) != 0 && events > 0 -> events--; on_word = on_word & ~mine;
              if
              :: goto head_take                                                          /* a signal, or a slice */
              :: goto leave                                                              /* EINTR asked for; EFAULT */
              :: late = 1                                                                /* the deadline */
              fi }
  :: KILLED
  fi;
  goto head_take;

/* ---- leave_with_lock() and leave(): withdraw_yield(), finish_acquire() */
leave:
#ifdef BREAK_NO_BATON
  goto give_up;
#endif
#ifdef HINT
  STEP(e = hint);
  if :: e != 0 -> STEP(hint = 0; e = 0) :: else fi;
#endif
  if :: got -> goto finish_acquire :: else fi;
  STEP(e = 0; pending = NOTHING);
  goto pass_baton;

/* ---- finish_acquire() */
finish_acquire:
#ifdef BREAK_CLEARED_BEFORE_LINKED
  STEP(e = 0; pending = NOTHING);
  STEP(word_linked = 1);
#else
  STEP(e = 0; word_linked = 1);
  STEP(pending = NOTHING);
#endif
  if :: queued -> goto pass_baton :: else -> goto critical fi;

/* ---- pass_baton() */
pass_baton:
  PEND(7, BATON);
  STEP(baton_linked = 0);
#ifdef BREAK_BATON_WOKEN_IF_MARKED
  STEP(e = baton; baton = 0);
  if :: (e & WAITERS) != 0 -> STEP(wake_one(on_baton)) :: else fi;
  e = 0;
#else
  STEP(baton = 0);
#ifndef BREAK_BATON_NEVER_WOKEN
  STEP(wake_one(on_baton));
#endif
#endif
  STEP(queued = 0; pending = NOTHING);
  if :: got -> goto critical :: else -> goto done fi;

/* ---- try_once(), for a trylock: try_word(), and once more if the owner was dead */
try_word:
  PEND(8, WORD);
try_look:
  STEP(e = word; if :: !IS_FREE(e) -> goto try_busy :: else fi);
try_take:
  STEP(CAS(word, self | (e & BARGER_KEEPS), ENTER(e); goto finish_acquire);
       if :: IS_FREE(e) -> goto try_take :: else fi);
try_busy:
#ifdef PROBE
  if
  :: !probed -> probed = 1;
     STEP(e = 0; pending = NOTHING);
     PEND(11, WORD);
     MARK_IF_DEAD
     if :: IS_FREE(e) -> goto try_look :: else fi
  :: probed
  fi;
#endif
give_up:
  STEP(e = 0; pending = NOTHING);
  goto done;

/* ---- the critical section: an operation on another lock may replace what is pending; consistent() */
critical:
  atomic { got = 0; slept = 0; late = 0; told = dirty }
#ifdef PENDING_STAYS
  if :: pending == WORD -> if :: STEP(pending = NOTHING) :: skip fi :: else fi;
#endif
#ifdef KEEP
  if
  :: told -> if :: STEP(word = word & ~DIED; dirty = 0) :: skip fi
  :: else
  fi;
#else
  if :: told -> STEP(word = word & ~DIED; dirty = 0) :: else fi;
#endif
  told = 0;

/* ---- release(); cold::release_word() and plain::release() */
  PEND(9, WORD);
  STEP(word_linked = 0);
#if defined(BREAK_TWO_STEPS) /* as glibc does */
  STEP(e = word; word = e & DIED; inside = 0);
  if :: (e & WAITERS) != 0 -> STEP(WAKE_WORD) :: else fi;
  goto released;
#elif defined(BREAK_WAKE_BEFORE_STORE)
  STEP(e = word);
  if :: (e & WAITERS) != 0 -> STEP(WAKE_WORD) :: else fi;
  STEP(word = word & DIED; inside = 0);
  goto released;
#else
  STEP(if :: word == self -> word = 0; inside = 0; goto released :: else fi);
  STEP(e = word; assert((e & TID) == self));
release_again:
  if
  :: (e & WAITERS) == 0 -> STEP(CAS(word, e & DIED, inside = 0; goto released)); goto release_again
  :: else
  fi;
#if defined(BREAK_CLEAR_AFTER_EMPTY_WAKE)
  STEP(word = (e & DIED) | WAITERS; inside = 0);
  STEP((bucket == 0 || on_word == 0); slept = (on_word != 0); wake_one(on_word));
  if :: !slept -> STEP(if :: IS_FREE(word) -> word = word & DIED :: else fi) :: else fi;
#else
  if
#if REFUSED < 2
  :: STEP(bucket == 0; word = e & DIED; inside = 0; bucket = 1);     /* FUTEX_WAKE_OP: the store, and in the same */
     atomic { wake_one(on_word); bucket = 0 }                        /* call, with the bucket locked, the wake */
#endif
#if REFUSED > 0
  :: STEP(word = (e & DIED) | WAITERS; inside = 0);
     STEP(WAKE_WORD)
#endif
  fi;
#endif
#endif
released:
  STEP(e = 0; pending = NOTHING);
done:
  goto begin;

/* ---- the kernel, exit_robust_list(): the list, but for the entry that is pending, too; then that */
killed:
  if
  :: atomic { lost > 0 -> lost--; if :: pending != NOTHING -> wake_lost = 1 :: else fi; goto reaped }
  :: skip
  fi;
  if
  :: word_linked && pending != WORD -> death(word, false, on_word, (bucket == 0 || on_word == 0), true)
  :: else
  fi;
  if
  :: baton_linked && pending != BATON -> death(baton, false, on_baton, true, false)
  :: else
  fi;
  if
  :: pending == WORD -> death(word, true, on_word, (bucket == 0 || on_word == 0), true)
  :: pending == BATON -> death(baton, true, on_baton, true, false)
  :: else
  fi;
reaped:
#ifdef PROBE
  atomic { gone = gone | mine };
#endif
finished:
  atomic {
    e = 0; pending = 0; word_linked = 0; baton_linked = 0; rounds = 0; goto_wake = 0;
    try_once = 0; late = 0; queued = 0; got = 0; told = 0; slept = 0; probed = 0
  }
}

/* What may happen need not: a sleeper that could still be killed, or time out, counts as asleep for good all the
 * same. */
#ifdef FATE
active proctype Fate() {
  do
  :: atomic { kills > 0 -> kills-- }
  :: atomic { events > 0 -> events-- }
  :: kills == 0 && events == 0 -> break
  od
}
#endif

#if LOST_NOTICES
active proctype Judge() {
  timeout -> assert(wake_lost || ((on_word == 0 || !IS_FREE(word)) && (on_baton == 0 || !IS_FREE(baton))))
}
#endif

#ifdef STRUCTURE
/* The waiters bit may be wrong in one direction only. */
active proctype Monitor() {
end:
  atomic { on_word != 0 && (word & WAITERS) == 0 && bucket == 0 -> assert(false) }
}
#endif
