#include "tests/sim/broker/bugs.h"

namespace sluice::sim {

const std::vector<Bug>& bugs() {
  static const std::vector<Bug> all = {
      {"ack_before_sync", "segments are not synced before anybody is answered",
       "settled, and delivered again"},
      {"skip_dir_sync", "folders are not synced", "settled, and delivered again"},
      {"forget_timer", "what is due waits until something else happens",
       "has left undone what was due"},
      {"effects_before_commit", "nobody waits for the log", "settled, and delivered again"},
      {"tail_not_resynced", "recovery trusts what the page cache shows",
       "recovery reports damage where nothing was damaged"},
      {"truncate_mid_corruption", "recovery cuts the log at damage instead of keeping what follows",
       "settled, and delivered again"},
      {"epoch_reused_after_restart", "receipts of two lives look the same",
       "was used for two deliveries"},
      {"stale_receipt_accepted", "a settle counts although somebody else has the message",
       "a stale receipt was accepted"},
      {"lease_forgotten_after_restart", "a restart gives away what is leased", "session holds it"},
      {"dedup_forgotten_after_restart", "a batch that is sent again is stored again",
       "one message was stored at"},
      {"counter_reset_on_crash", "a restart forgets the attempts of a message", " attempts, not "},
      {"refused_batch_called_duplicate", "a batch that was refused is said to be there",
       "was sent once is called stored before"},
      {"ack_not_recorded", "an ack is confirmed and not written down",
       "settled, and delivered again"},
      {"dead_letter_forgotten_after_restart", "a restart brings the dead back",
       "settled, and delivered again"},
      {"delay_forgotten_after_restart", "a restart forgets deliver-at",
       "delivered before its time"},
      {"command_replayed_instead_of_fact", "replay numbers messages anew",
       "damage is counted, and nothing was damaged"},
      {"one_attempt_too_many", "the limit of attempts is off by one",
       "delivered after its last attempt"},
      {"compaction_loses_messages", "compaction leaves out what lives",
       "damage is counted, and nothing was damaged"},
      {"segment_dropped_too_early", "segments go whose facts a start needs", " is missing"},
      {"settled_message_resurrected_by_compaction",
       "compaction replaces segments whose facts a start needs", " is missing"},
      {"role_not_checked", "any key opens everything", "was not refused"},
      {"queue_of_key_not_checked", "a key's role counts for all queues", "was not refused"},
      {"session_outlives_its_rights", "who may no longer do what he did goes on with it",
       "whose key may not consume"},
      {"old_leader_heard", "a leader that was replaced changes queues",
       "a leader that was replaced could change a queue"},
      {"settings_not_synced", "CONFIGURED does not wait for a sync", " was told to be ("},
      {"removal_not_synced", "QUEUE_REMOVED does not wait for a sync",
       " was told to be (no queue)"},
      {"full_queue_removed_as_empty", "a queue with messages goes where only an empty one may",
       "was removed as empty, and had"},
      {"reuse_sequence", "sequences do not jump after an unclean stop", "was used for other bytes"},
  };
  return all;
}

}  // namespace sluice::sim
