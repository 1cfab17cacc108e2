// GET_PARAMETER vigie.cameras: the cameras this viewer may see, page by page, for another vigie that relays them.
//
//   GET_PARAMETER rtsp://host/?after=NAME   body "vigie.cameras"
//   200                                     body "vigie.cameras: {"revision":7,"cameras":[…],"more":false}"
#include <nlohmann/json.hpp>

#include "rtsp/text.h"
#include "sink/rtsp_connection.h"

namespace vigie::sink {
namespace {

using Json = nlohmann::ordered_json;

Json camera_json(const OfferedCamera& camera) {
  Json streams = Json::array();
  for (const OfferedStream& stream : camera.streams) {
    streams.push_back({{"name", stream.name},
                       {"codec", stream.codec ? Json(codec_name(*stream.codec)) : Json(nullptr)},
                       {"width", stream.width},
                       {"height", stream.height}});
  }
  return {{"name", camera.name}, {"title", camera.title}, {"number", camera.number}, {"streams", std::move(streams)}};
}

// On one line; bytes that are no UTF-8 are replaced, so that nothing throws.
std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

bool asks_for_cameras(const rtsp::Request& request) {
  return request.method_id() == rtsp::Method::get_parameter && rtsp::trim(request.body) == kCamerasParameter;
}

void RtspConnection::list_cameras(const rtsp::Request& request) {
  const Result<Target> target = parse_target(request.uri);
  if (!target.ok()) return refuse(request, target.error());
  // A parameter of the server; a camera has none of this name.
  if (!target->path.empty() || target->track) return answer_status(request, 451);
  if (RtpSession* session = session_id_.empty() ? nullptr : shard_.find_session(session_id_)) session->touch();
  Result<CameraPage> page = shard_.provider().list(view_request(*target), target->after, kMaxListedCameras);
  if (!page.ok()) return refuse(request, page.error());
  granted();
  std::string cameras;
  size_t told = 0;
  for (const OfferedCamera& camera : page->cameras) {
    if (cameras.size() >= kMaxListingBytes) break;
    cameras.append(told++ == 0 ? "" : ",").append(text_of(camera_json(camera)));
  }
  rtsp::Response response = make_response(request, 200);
  response.headers.add("Content-Type", "text/parameters");
  response.headers.add("Cache-Control", "no-cache");
  response.body.append(kCamerasParameter).append(": {\"revision\":").append(std::to_string(page->revision));
  response.body.append(",\"cameras\":[").append(cameras).append("],\"more\":");
  response.body.append(page->more || told < page->cameras.size() ? "true" : "false").append("}\r\n");
  answer(response);
}

}  // namespace vigie::sink
