// Any text as a session description: what is parsed survives being written and parsed again, stays within the limits,
// and parameter sets that were found are found again in what the server would write for them. Noting deviations changes
// nothing, and where none was noted none can be refused. Where a media goes to is bounded.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "rtsp/sdp_address.h"
#include "rtsp/sdp_video.h"

namespace {

using namespace vigie;
using namespace vigie::rtsp;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_limits(const SessionDescription& session) {
  require(session.medias.size() <= 64 && session.attributes.size() <= 256);
  for (const MediaDescription& media : session.medias) {
    require(media.payload_types.size() <= 128 && media.attributes.size() <= 256);
    require(media.rtpmaps.size() <= 256 && media.fmtps.size() <= 256);
    for (uint8_t payload_type : media.payload_types) require(payload_type <= 127);
    const auto address = media_address(session, media);
    if (!address) continue;
    require(address->filters.size() <= 8 && address->rtp_port == media.port);
    for (const SourceFilter& filter : address->filters) {
      require(!filter.sources.empty() && filter.sources.size() <= 8);
    }
  }
}

void check_video(const VideoMedia& video, const SessionDescription& session) {
  require(video.media_index < session.medias.size());
  require(video.clock_rate != 0 && video.payload_type <= 127);
  const SpropSets& sprop = video.sprop;
  require(sprop.vps.size() + sprop.sps.size() + sprop.pps.size() <= 32);
  const bool h264 = video.codec == Codec::h264;
  for (const auto& sps : sprop.sps) {
    require(sps.size() >= 2 && sps.size() <= 16384);
    require((h264 ? h264_nal_type(sps[0]) == h264::kSps : h265_nal_type(sps[0]) == h265::kSps));
  }

  const Ref<ParameterSets> sets = make_ref<ParameterSets>();
  sets->codec = video.codec;
  sets->vps = sprop.vps;
  sets->sps = sprop.sps;
  sets->pps = sprop.pps;
  SessionDescription ours;
  ours.medias.push_back(describe_video(*sets, 96, "trackID=0", video.framerate));
  const auto back = parse_sdp(format_sdp(ours));
  require(back.ok());
  const auto again = pick_video(*back);
  require(again.ok() && again->codec == video.codec && again->control == "trackID=0");
  if (sets->complete()) {
    require(again->sprop.vps == sprop.vps && again->sprop.sps == sprop.sps && again->sprop.pps == sprop.pps);
  }
}

void check_quirks(std::string_view text, const SessionDescription& session) {
  Quirks noted;
  const auto same = parse_sdp(text, &noted);
  require(same.ok() && *same == session);
  Quirks strict{noted.seen, {}};
  require(parse_sdp(text, &strict).ok() == noted.seen.empty() && strict.seen == noted.seen);
  const auto plain = pick_video(session);
  Quirks met;
  const auto video = pick_video(session, &met);
  require(video.ok() == plain.ok());
  if (!video) return;
  require(video->media_index == plain->media_index && video->sprop.sps == plain->sprop.sps);
  Quirks refusing{met.seen, {}};
  const auto left = pick_video(session, &refusing);
  require(!met.seen.empty() || left.ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto session = parse_sdp(as_text({data, size}));
  if (!session) return 0;
  check_limits(*session);
  check_quirks(as_text({data, size}), *session);
  if (const auto video = pick_video(*session)) check_video(*video, *session);
  if (size > 16 * 1024) return 0;  // what is written may be a little longer, and must still be readable
  // Writing replaces control characters; from then on nothing may change any more.
  const auto once = parse_sdp(format_sdp(*session));
  require(once.ok());
  const auto twice = parse_sdp(format_sdp(*once));
  require(twice.ok() && *twice == *once);
  require(once->medias.size() == session->medias.size());
  return 0;
}
